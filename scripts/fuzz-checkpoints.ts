/**
 * Reads many mutated files of PyTorch: `npm run fuzz:checkpoints -- [FILES] [SEED]`; 20,000 files of seed 2 unless told.
 * Ends with exit code 1 at the first file that is neither read nor refused in a sentence, and leaves it in `crash.pth`.
 */
import { writeFileSync } from 'node:fs';
import { mutatedFile, readMutated } from '../test/helpers/torch-mutations.js';

const [files = 20_000, seed = 2] = process.argv.slice(2).map(Number);
const outcomes = { read: 0, refused: 0 };
/** Time of this process alone: on a busy machine the clock says little. */
let slowestCpuMs = 0;
const start = performance.now();
for (let index = 0; index < files; index++) {
  const bytes = mutatedFile(seed, index);
  const begun = process.cpuUsage();
  try {
    outcomes[readMutated(bytes)] += 1;
  } catch (error) {
    writeFileSync('crash.pth', bytes);
    console.error(`file ${index} of seed ${seed}, kept as crash.pth:`, error);
    process.exit(1);
  }
  const { user, system } = process.cpuUsage(begun);
  slowestCpuMs = Math.max(slowestCpuMs, (user + system) / 1000);
}
const seconds = (performance.now() - start) / 1000;
const peakMegabytes = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ files, seed, ...outcomes, seconds, slowestCpuMs, peakMegabytes }));
