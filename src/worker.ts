import { BespokeError, toProblem } from './common/errors.js';
import type { Queue } from './queue/queue.js';
import { type RunJobDeps, runJob } from './specialize/run-job.js';

export interface RunningWorker {
  /** Stops taking jobs and hands the running one back. */
  close(): Promise<void>;
}

/** How often lost leases are looked for, as a share of the lease: a dead worker's job waits at most a third longer than its lease. */
const SWEEPS_PER_LEASE = 3;

/**
 * Takes messages from the queue and runs their jobs one at a time (a measurement wants the machine to itself),
 * and brings back jobs whose worker died or whose message was lost.
 */
export function startWorker(worker: Omit<RunJobDeps, 'stopping'>, queue: Queue): RunningWorker {
  const stopping = new AbortController();
  const deps: RunJobDeps = { ...worker, stopping: stopping.signal };
  const gaveUp = toProblem(
    new BespokeError('internal', `the job was tried ${deps.maxAttempts} times and its worker ended each time`),
  );
  queue.work(async ({ id }) => {
    // What is dropped or handed back here waits in its row: the next sweep, of whichever worker, brings it back.
    if (stopping.signal.aborted) return;
    try {
      const end = await runJob(deps, id);
      deps.log.info({ specializationId: id, end }, 'job ended');
      if (end === 'released' && !stopping.signal.aborted) await queue.enqueue({ kind: 'specialize', id });
    } catch (error) {
      deps.log.warn({ specializationId: id, err: error }, 'the job is left to the next sweep');
    }
  });

  let sweeping: Promise<void> = Promise.resolve();
  const sweep = async (): Promise<void> => {
    try {
      for (const id of await deps.jobs.sweep(deps.maxAttempts, gaveUp, deps.supernetIds)) {
        if (!stopping.signal.aborted) await queue.enqueue({ kind: 'specialize', id });
      }
    } catch (error) {
      // Queue or database away: the next sweep tries again, nothing is lost meanwhile.
      deps.log.warn({ err: error }, 'the sweep for lost jobs did not finish');
    }
  };
  let isSweeping = false;
  const nextSweep = (): void => {
    if (isSweeping) return; // a slow database is not asked twice at once
    isSweeping = true;
    sweeping = sweep().finally(() => {
      isSweeping = false;
    });
  };
  nextSweep();
  const timer = setInterval(nextSweep, Math.max(250, deps.leaseMs / SWEEPS_PER_LEASE));

  return {
    close: async () => {
      stopping.abort();
      clearInterval(timer);
      await sweeping;
      await queue.close();
    },
  };
}
