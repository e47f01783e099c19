import { setTimeout as delay } from 'node:timers/promises';
import { BespokeError, toProblem } from '../common/errors.js';
import { breathe } from '../common/work.js';
import type { Claim, JobStore } from './ports.js';
import type { JobProgress, Outcome } from './types.js';

/** What does a job's numeric work, elsewhere (a child process). */
export interface Engine {
  /**
   * Runs a claimed job. Rejects with an AbortError when `signal` aborts, with {@link EngineLostError} when the engine itself ended,
   * and with a BespokeError when the job cannot succeed.
   */
  specialize(
    claim: Claim,
    options: { readonly signal: AbortSignal; readonly onProgress: (progress: JobProgress) => void },
  ): Promise<Outcome>;
  /** Milliseconds since the engine last gave a sign of life. */
  silentMs(): number;
  /** Ends the engine's process, even a stopped one; the next job starts a new one. */
  restart(): void;
}

/** The engine ended in the middle of a job; the job can be tried again. */
export class EngineLostError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'EngineLostError';
  }
}

export interface JobLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RunJobDeps {
  readonly jobs: JobStore;
  readonly engine: Engine;
  readonly workerId: string;
  /** Supernets that the engine has; jobs of others are left to other workers. */
  readonly supernetIds: readonly string[];
  readonly leaseMs: number;
  readonly maxAttempts: number;
  readonly log: JobLog;
  /** Aborted when the worker is to stop: the running job goes back to the queue. */
  readonly stopping: AbortSignal;
}

/** How a job ended for this worker. `released`: back in the queue (enqueue it again); `lost`: another worker has it now. */
export type JobEnd = 'notClaimed' | 'finished' | 'canceled' | 'released' | 'lost';

/** How often progress and the lease are written while a job runs, ms: people watch it, and a cancel request is read by it. */
const HEARTBEAT_MS = 250;

/** How often a cancel is looked for between two heartbeats, ms: whoever cancels is answered, and waits for the machine. */
const CANCEL_LOOK_MS = 25;

type Interruption = 'canceled' | 'lost' | 'engineSilent' | 'stopping';

/**
 * Claims a job, gives it a stored answer or runs it in the engine, and writes its one final status. The lease is renewed only while the engine gives signs of life,
 * so a stopped or hung engine loses the job like a dead one; every write is fenced by the attempt number.
 */
export async function runJob(deps: RunJobDeps, id: string): Promise<JobEnd> {
  const claim = await deps.jobs.claim(id, deps.workerId, deps.leaseMs, deps.supernetIds);
  if (claim === undefined) return 'notClaimed';
  // While it waited, an equal request may have been answered.
  if (await deps.jobs.finishStored(id, claim.attempt)) return 'finished';
  const watch = watchLease(deps, claim);
  let outcome: Outcome;
  try {
    outcome = await deps.engine.specialize(claim, { signal: watch.signal, onProgress: watch.note });
  } catch (error) {
    await watch.stop();
    return await endInterrupted(deps, claim, { error, interruption: watch.interruption() });
  }
  await watch.stop();
  return (await finish(deps, claim, outcome)) ? 'finished' : 'lost';
}

/** Writes the outcome; a database that is away is waited for as long as the lease, so that a short absence costs no work. */
async function finish({ jobs, leaseMs, log }: RunJobDeps, { id, attempt }: Claim, outcome: Outcome): Promise<boolean> {
  const giveUpAt = performance.now() + leaseMs;
  for (;;) {
    try {
      return await jobs.finish(id, attempt, outcome);
    } catch (error) {
      const isAway = error instanceof BespokeError && error.code === 'database-unavailable';
      if (!isAway && outcome.status === 'succeeded') {
        log.error({ specializationId: id, attempt, err: error }, 'the result could not be stored');
        return jobs.finish(id, attempt, { status: 'failed', problem: toProblem(error) });
      }
      // The lease runs out, and the job is tried again by whoever finds it.
      if (!isAway || performance.now() > giveUpAt) throw error;
      await delay(HEARTBEAT_MS);
    }
  }
}

async function endInterrupted(
  { jobs, maxAttempts, log }: RunJobDeps,
  { id, attempt }: Claim,
  { error, interruption }: { readonly error: unknown; readonly interruption: Interruption | undefined },
): Promise<JobEnd> {
  if (interruption === 'lost') return 'lost';
  if (interruption === 'canceled') return (await jobs.finishCanceled(id, attempt)) ? 'canceled' : 'lost';
  if (interruption === 'stopping') return (await jobs.release(id, attempt)) ? 'released' : 'lost';
  const isEngineLost = error instanceof EngineLostError || interruption === 'engineSilent';
  if (isEngineLost && attempt < maxAttempts) {
    log.warn(
      { specializationId: id, attempt, err: error },
      'the numeric process ended; the job goes back to the queue',
    );
    return (await jobs.release(id, attempt)) ? 'released' : 'lost';
  }
  if (!(error instanceof BespokeError))
    log.error({ specializationId: id, attempt, err: error }, 'the job failed unexpectedly');
  const reason = isEngineLost ? engineLost(attempt) : error;
  return (await jobs.finish(id, attempt, { status: 'failed', problem: toProblem(reason) })) ? 'finished' : 'lost';
}

function engineLost(attempt: number): BespokeError {
  return new BespokeError(
    'internal',
    `The numeric process ended in the middle of the job, in the last of ${attempt} attempts; the log has the details.`,
  );
}

/** Renews the lease, writes progress, and aborts the work when it is canceled, lost, or the engine falls silent. */
function watchLease(deps: RunJobDeps, claim: Claim) {
  const controller = new AbortController();
  let interruption: Interruption | undefined;
  let progress: JobProgress = { stage: 'searching', fraction: 0 };
  let inFlight: Promise<void> = Promise.resolve();
  let inFlightLook: Promise<void> = Promise.resolve();
  let isLooking = false;
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;

  const interrupt = (why: Interruption): void => {
    interruption ??= why;
    controller.abort(new DOMException(why, 'AbortError'));
  };
  const beat = async (): Promise<void> => {
    await breathe(); // after a stop of this whole process, what the engine said meanwhile is heard first
    if (deps.engine.silentMs() > deps.leaseMs) {
      interrupt('engineSilent');
      deps.engine.restart();
      return;
    }
    try {
      const { lost, cancelRequested } = await deps.jobs.heartbeat(claim.id, claim.attempt, deps.leaseMs, progress);
      if (lost) interrupt('lost');
      else if (cancelRequested) interrupt('canceled');
    } catch (error) {
      // A database that is away for a moment must not end the work; if it stays away, the lease runs out by itself.
      deps.log.warn({ specializationId: claim.id, err: error }, 'the heartbeat could not be written');
    }
  };
  const schedule = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => {
      inFlight = beat().then(schedule);
    }, HEARTBEAT_MS);
  };
  const lookForCancel = async (): Promise<void> => {
    try {
      if (await deps.jobs.cancelRequested(claim.id, claim.attempt)) interrupt('canceled');
    } catch {
      // The heartbeat says so when the database is away.
    }
  };
  const looks = setInterval(() => {
    if (isLooking || isStopped) return;
    isLooking = true;
    inFlightLook = lookForCancel().finally(() => {
      isLooking = false;
    });
  }, CANCEL_LOOK_MS);
  schedule();
  const stopWork = (): void => interrupt('stopping');
  if (deps.stopping.aborted) stopWork();
  else deps.stopping.addEventListener('abort', stopWork, { once: true });
  return {
    signal: controller.signal,
    note: (next: JobProgress): void => {
      // A front stays until the next one: it is told less often than progress, and written with the next heartbeat.
      progress =
        next.front === undefined && progress.front !== undefined && next.stage === 'searching'
          ? { ...next, front: progress.front }
          : next;
    },
    interruption: (): Interruption | undefined => interruption,
    stop: async (): Promise<void> => {
      isStopped = true;
      deps.stopping.removeEventListener('abort', stopWork);
      clearTimeout(timer);
      clearInterval(looks);
      await Promise.all([inFlight, inFlightLook]);
    },
  };
}
