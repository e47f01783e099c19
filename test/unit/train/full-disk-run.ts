/**
 * Training on a disk that fills up: `full-disk-run.ts DISK FREE`, run where DISK is a small file system of its own. A ballast leaves FREE bytes after the
 * second checkpoint; the run fails, is gone on with once the ballast is away, and is tried again on the disk made read-only. Writes a JSON line.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../../src/common/hash.js';
import { loadCheckpoint } from '../../../src/train/checkpoint.js';
import { trainSupernet, WEIGHTS_FILE } from '../../../src/train/run.js';
import type { TrainEvent } from '../../../src/train/train-events.js';
import { resilientRecipe } from './resilient-recipe.js';
import { tinyRun } from './tiny-run.js';

const [disk, free] = process.argv.slice(2);
if (disk === undefined) throw new Error('usage: full-disk-run.ts DISK FREE');
const dir = join(disk, 'run');
const ballast = join(disk, 'ballast');
const recipe = resilientRecipe('muon');

function fill(): void {
  const { bavail, bsize } = statfsSync(disk!);
  writeFileSync(ballast, new Uint8Array(Math.max(0, bavail * bsize - Number(free))));
}

async function attempt(onEvent?: (event: TrainEvent) => void): Promise<string> {
  try {
    return (await trainSupernet(tinyRun(dir, { recipe, resume: true, ...(onEvent && { onEvent }) }))).end;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

let saved = 0;
const failure = await attempt((event) => {
  if (event.kind === 'checkpoint' && ++saved === 2) fill();
});
const step = loadCheckpoint(dir)?.checkpoint.step;
const left = readdirSync(dir).filter((name) => /tmp|lock/.test(name));
const again = await attempt();
rmSync(ballast);
const end = await attempt();
const weights = join(dir, WEIGHTS_FILE);
const sha = existsSync(weights) ? sha256(readFileSync(weights)) : 'none';
spawnSync('mount', ['-o', 'remount,ro', disk], { stdio: 'inherit' });
const readOnly = await attempt();
process.stdout.write(`${JSON.stringify({ failure, step, left, again, end, sha, readOnly })}\n`);
