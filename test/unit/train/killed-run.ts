/** A training run in a process of its own that is killed with SIGKILL at its N-th checkpoint: `killed-run.ts DIR N`. */
import { trainSupernet } from '../../../src/train/run.js';
import { tinyRun } from './tiny-run.js';

const [dir, checkpoints] = process.argv.slice(2);
if (dir === undefined || checkpoints === undefined) throw new Error('usage: killed-run.ts DIR N');
let seen = 0;
const onEvent = (event: { kind: string }): void => {
  if (event.kind !== 'checkpoint') return;
  seen += 1;
  if (seen === Number(checkpoints)) process.kill(process.pid, 'SIGKILL');
};
await trainSupernet(tinyRun(dir, { onEvent, resume: true }));
