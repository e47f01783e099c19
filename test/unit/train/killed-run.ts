/** A training run in a process of its own, for tests that kill it: `killed-run.ts DIR`; prints a line per checkpoint. */
import { trainSupernet } from '../../../src/train/run.js';
import { tinyRun } from './tiny-run.js';

const dir = process.argv[2];
if (dir === undefined) throw new Error('usage: killed-run.ts DIR');
const onEvent = (event: { kind: string }): void => {
  if (event.kind === 'checkpoint') process.stdout.write('checkpoint\n');
};
await trainSupernet(tinyRun(dir, { onEvent, resume: true }));
