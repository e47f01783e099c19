/**
 * A training run in a process of its own that SIGKILL ends at a chosen moment: `killed-run.ts DIR KIND WORKERS MOMENT N`.
 * Moments: `step`: while the workers compute the N-th step of this process; `write`: half of the N-th checkpoint's bytes are written;
 * `rename`: the N-th checkpoint is written and the one before it renamed, but not yet in its place; `checkpoint`: right after the N-th one.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { WorkerRequest } from '../../../src/train/worker-messages.js';
import { resilientRecipe } from './resilient-recipe.js';
import { tinyRun } from './tiny-run.js';

const [dir, kind, workers, moment, count] = process.argv.slice(2);
if (dir === undefined || kind === undefined) throw new Error('usage: killed-run.ts DIR KIND WORKERS MOMENT N');
const die = (): void => void process.kill(process.pid, 'SIGKILL');
let left = Number(count);
/** True at the N-th call. */
const isTime = (): boolean => --left === 0;

const { writeSync, renameSync } = fs;
let isSaving = false; // a checkpoint's file is open
const { openSync } = fs;
fs.openSync = ((path: fs.PathLike, ...rest: [string]) => {
  isSaving = String(path).endsWith('checkpoint.bin.tmp');
  return openSync(path, ...rest);
}) as typeof fs.openSync;
if (moment === 'write') {
  fs.writeSync = ((handle: number, bytes: Uint8Array, at: number) => {
    if (isSaving && isTime()) {
      writeSync(handle, bytes, at, bytes.length >> 1);
      fs.fsyncSync(handle);
      die();
    }
    return writeSync(handle, bytes, at);
  }) as typeof fs.writeSync;
}
if (moment === 'rename') {
  fs.renameSync = (from, to) => {
    renameSync(from, to);
    if (String(to).endsWith('checkpoint.previous.bin') && isTime()) die();
  };
}
syncBuiltinESMExports();
if (moment === 'step') {
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (this: Worker, message: WorkerRequest, ...rest) {
    postMessage.call(this, message, ...rest);
    if (message.kind === 'step' && isTime()) setImmediate(die); // the other workers get the step as well
  };
}
const onEvent = (event: { kind: string }): void => {
  if (moment === 'checkpoint' && event.kind === 'checkpoint' && isTime()) die();
};
// A clock of its own, two ticks a step, so that every third step is saved on any machine and a kill loses steps as well.
let ticks = 0;
performance.now = () => ++ticks;
const { trainSupernet } = await import('../../../src/train/run.js');
await trainSupernet(
  tinyRun(dir, { recipe: resilientRecipe(kind), workers: Number(workers), resume: true, saveEveryMs: 5, onEvent }),
);
