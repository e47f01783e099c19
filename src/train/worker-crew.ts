import type { Worker } from 'node:worker_threads';
import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { startThread } from '../runtime/thread.js';
import type { Arch } from '../space/types.js';
import type { NetReport } from './step-runner.js';
import type { WorkerReply, WorkerRequest, WorkerSetup } from './worker-messages.js';

/** What all workers share; each gets its index and its own gradient. */
export type CrewSetup = Omit<WorkerSetup, 'worker' | 'gradient'>;

/** A flat vector that all threads see. */
export function sharedFloats(size: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(size * Float32Array.BYTES_PER_ELEMENT));
}

interface Pending {
  readonly resolve: (reply: WorkerReply) => void;
  readonly reject: (error: Error) => void;
}

/** One thread; asked one thing at a time. */
class TrainWorker {
  readonly gradient: Float32Array;
  readonly #thread: Worker;
  #pending: Pending | undefined;
  /** Settles, without a failure, with what was asked last. */
  #settled: Promise<unknown> = Promise.resolve();
  /** Why the thread is gone, once it is. */
  #gone: Error | undefined;

  constructor(setup: WorkerSetup) {
    this.gradient = setup.gradient;
    this.#thread = startThread(new URL('./train-worker', import.meta.url), {
      workerData: setup,
      name: `train-worker-${setup.worker}`,
    });
    this.#thread.on('message', (reply: WorkerReply) => this.#settle((pending) => pending.resolve(reply)));
    this.#thread.on('error', (error: Error) => this.#end(error));
    this.#thread.on('exit', (code) => this.#end(new Error(`a training thread ended with code ${code}`)));
  }

  #settle(how: (pending: Pending) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) how(pending);
  }

  #end(reason: Error): void {
    this.#gone ??= reason;
    this.#settle((pending) => pending.reject(reason));
  }

  async ask(request: WorkerRequest): Promise<WorkerReply> {
    invariant(this.#pending === undefined, () => `a training thread was asked to ${request.kind} while it works`);
    if (this.#gone !== undefined) throw this.#gone;
    const answered = new Promise<WorkerReply>((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#thread.postMessage(request);
    });
    this.#settled = answered.catch(() => undefined);
    const reply = await answered;
    if (reply.kind !== 'failed') return reply;
    const { code, detail } = reply.problem;
    throw new BespokeError(code, `training thread: ${detail}`, {}, new Error(reply.stack));
  }

  async close(): Promise<void> {
    // First the step that it may be in, after another's failure: a thread that is terminated in the middle of a run brings the process down.
    await this.#settled;
    await this.ask({ kind: 'close' }).catch(() => undefined);
    await this.#thread.terminate();
  }
}

/** The worker threads of a run. */
export class WorkerCrew {
  readonly #workers: readonly TrainWorker[];

  constructor(setup: CrewSetup) {
    const size = setup.weights.length;
    this.#workers = Array.from(
      { length: setup.workers },
      (_, worker) => new TrainWorker({ ...setup, worker, gradient: sharedFloats(size) }),
    );
  }

  /** One step on every worker; then each worker's gradient is in {@link averageInto}'s reach. */
  async step(step: number): Promise<readonly NetReport[]> {
    const replies = await Promise.all(this.#workers.map((worker) => worker.ask({ kind: 'step', step })));
    return replies.flatMap((reply) => (reply.kind === 'stepped' ? reply.nets : []));
  }

  /** The mean of the workers' gradients of the last step, added in the workers' order, into `out`, in place. */
  averageInto(out: Float32Array): void {
    const share = 1 / this.#workers.length;
    out.fill(0);
    for (const { gradient } of this.#workers) {
      for (let i = 0; i < out.length; i++) out[i] = out[i]! + gradient[i]! * share;
    }
  }

  /** Top-1 of archs on the held-out images by batch statistics; the archs are dealt out to the workers. */
  async validate(archs: readonly Arch[], batch: number): Promise<readonly number[]> {
    const top1 = new Array<number>(archs.length).fill(Number.NaN);
    const queue = [...archs.entries()];
    const serve = async (worker: TrainWorker): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const reply = await worker.ask({ kind: 'validate', arch: next[1], batch });
        if (reply.kind === 'validated') top1[next[0]] = reply.correct / reply.images;
      }
    };
    await Promise.all(this.#workers.map(serve));
    return top1;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}
