import { BespokeError, toProblem } from './common/errors.js';
import type { Queue } from './queue/queue.js';
import { type RunJobDeps, runJob } from './specialize/run-job.js';

export interface RunningWorker {
  /** Stops taking jobs and waits for the running one. */
  close(): Promise<void>;
}

/** How often lost leases are looked for, as a share of the lease: a dead worker's job waits at most a third longer than its lease. */
const SWEEPS_PER_LEASE = 3;

/**
 * Takes messages from the queue and runs their jobs one at a time (a measurement wants the machine to itself),
 * and brings back jobs whose worker died or whose message was lost.
 */
export function startWorker(deps: RunJobDeps, queue: Queue): RunningWorker {
  const gaveUp = toProblem(
    new BespokeError('internal', `the job was tried ${deps.maxAttempts} times and its worker ended each time`),
  );
  queue.work(async ({ id }) => {
    const end = await runJob(deps, id);
    deps.log.info({ specializationId: id, end }, 'job ended');
    if (end === 'released') await queue.enqueue({ kind: 'specialize', id });
  });

  let sweeping: Promise<void> = Promise.resolve();
  let isClosed = false;
  const sweep = async (): Promise<void> => {
    try {
      for (const id of await deps.jobs.sweep(deps.maxAttempts, gaveUp)) {
        if (!isClosed) await queue.enqueue({ kind: 'specialize', id });
      }
    } catch (error) {
      // Queue or database away: the next sweep tries again, nothing is lost meanwhile.
      deps.log.warn({ err: error }, 'the sweep for lost jobs did not finish');
    }
  };
  const nextSweep = (): void => {
    sweeping = sweep();
  };
  nextSweep();
  const timer = setInterval(nextSweep, Math.max(250, deps.leaseMs / SWEEPS_PER_LEASE));

  return {
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await sweeping;
      await queue.close();
    },
  };
}
