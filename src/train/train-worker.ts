import { parentPort, workerData } from 'node:worker_threads';
import { toProblem } from '../common/errors.js';
import { assertNever, invariant } from '../common/invariant.js';
import { makeRng } from '../common/rng.js';
import { initSupernet } from './initialize.js';
import { layoutOf } from './parameter-layout.js';
import { positionOf, totalSteps } from './phases.js';
import { initNet, plainSpace } from './single-net.js';
import { StepRunner } from './step-runner.js';
import type { WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.js';

/** The thread's entry: answers requests one by one until it is closed. */
function serve(setup: WorkerSetup, port: NonNullable<typeof parentPort>): void {
  // Only names and shapes are needed here, so any seed gives the same layout.
  const runner =
    setup.net === undefined
      ? new StepRunner({ ...setup, layout: layoutOf(initSupernet(setup.space, makeRng(0))) })
      : new StepRunner({
          ...setup,
          space: plainSpace(setup.space),
          layout: layoutOf(initNet(setup.space, setup.net.arch, makeRng(0))),
        });

  const answer = async (request: WorkerRequest): Promise<WorkerReply> => {
    switch (request.kind) {
      case 'step':
        return { kind: 'stepped', nets: await runner.step(positionOf(setup.recipe, setup.workers, request.step)) };
      case 'validate':
        return { kind: 'validated', ...(await runner.validate(request.arch, setup.data.selection, request.batch)) };
      case 'close':
        await runner.release();
        return { kind: 'closed' };
      default:
        return assertNever(request);
    }
  };

  const steps = totalSteps(setup.recipe, setup.workers);
  /** After an answer: what the next step needs, while the others finish theirs and the main thread updates the weights. */
  const prepare = async (step: number): Promise<void> => {
    if (step < steps) await runner.prepare(positionOf(setup.recipe, setup.workers, step));
  };

  let turn = Promise.resolve();
  port.on('message', (request: WorkerRequest) => {
    turn = turn.then(async () => {
      const reply = await answer(request).catch((error: unknown): WorkerReply => {
        return { kind: 'failed', problem: toProblem(error), stack: error instanceof Error ? (error.stack ?? '') : '' };
      });
      port.postMessage(reply);
      if (request.kind === 'close') port.close();
      // What cannot be made now is tried again, and told, by the step that needs it.
      if (reply.kind === 'stepped' && request.kind === 'step') await prepare(request.step + 1).catch(() => undefined);
    });
  });
}

invariant(parentPort !== null, () => 'train-worker is the entry of a worker thread');
serve(workerData as WorkerSetup, parentPort); // what the crew passed, by structured clone
