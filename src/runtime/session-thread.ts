import type { Worker } from 'node:worker_threads';
import { BespokeError, type Problem } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ModelSession, SessionOptions } from './session.js';
import { startThread } from './thread.js';

type Feeds = Readonly<Record<string, Tensor>>;

/** What the thread is asked; requests count up, and a session is named by the request that made it. */
export type ThreadRequest = { readonly id: number } & (
  | { readonly kind: 'create'; readonly model: Uint8Array; readonly options: SessionOptions }
  | { readonly kind: 'run'; readonly session: number; readonly feeds: Feeds; readonly outputs?: readonly string[] }
  | { readonly kind: 'release'; readonly session: number }
  | { readonly kind: 'close' }
);

/** What the thread is started with. */
export interface ThreadSetup {
  /** One int32 in shared memory; once it is not 0, what is asked and not begun is left. */
  readonly isClosing: Int32Array;
}

/** Its answers, in order. */
export type ThreadReply = { readonly id: number } & (
  | { readonly kind: 'created'; readonly inputNames: readonly string[]; readonly outputNames: readonly string[] }
  | { readonly kind: 'ran'; readonly outputs: Record<string, Tensor>; readonly spent: readonly ArrayBuffer[] }
  | { readonly kind: 'released' }
  | { readonly kind: 'failed'; readonly problem: Problem; readonly message: string; readonly stack: string }
);

type Asked<K extends ThreadRequest['kind']> = Omit<Extract<ThreadRequest, { kind: K }>, 'id'>;

interface Pending {
  readonly resolve: (reply: ThreadReply) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that computes models while this one goes on. It keeps the process alive only while something is awaited. */
export interface SessionThread {
  /** As `createSession`; the session's `run` copies its buffers at once and does not block the event loop. */
  createSession(model: Uint8Array, options: SessionOptions): Promise<ModelSession>;
  /** Ends the thread after the run that it is in; what is awaited fails at once. */
  close(): Promise<void>;
}

/** Buffers that are kept for later runs at most, and the bytes of the smallest. */
const SPARE_BUFFERS = 4;
const SPARE_BYTES = 2 ** 16;

/**
 * Buffers that went to the thread and came back. Without them each run leaves one behind, and the runtime looks through all of its memory
 * once so many bytes of them have come together, several times in a search. Mutable.
 */
class SpareBuffers {
  readonly #spare: ArrayBuffer[] = [];

  /** Copies of just what views show, which the thread then takes over. */
  copies(feeds: Feeds): Feeds {
    return Object.fromEntries(
      Object.entries(feeds).map(([name, each]) => [name, { ...each, data: this.#copyOf(each.data) } as Tensor]),
    );
  }

  #copyOf(data: Tensor['data']): Tensor['data'] {
    // `slice()` of a Buffer is a view of the same memory, which must not be given away.
    if (!(data instanceof Float32Array)) return Buffer.isBuffer(data) ? new Uint8Array(data) : data.slice();
    const at = this.#spare.findIndex(({ byteLength }) => byteLength >= data.byteLength);
    const size = Math.max(SPARE_BYTES, 2 ** Math.ceil(Math.log2(data.byteLength)));
    const buffer = at < 0 ? new ArrayBuffer(size) : this.#spare.splice(at, 1)[0]!;
    const copy = new Float32Array(buffer, 0, data.length);
    copy.set(data);
    return copy;
  }

  /** Keeps the largest. */
  keep(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) if (buffer.byteLength >= SPARE_BYTES) this.#spare.push(buffer);
    this.#spare.sort((a, b) => a.byteLength - b.byteLength);
    this.#spare.splice(0, this.#spare.length - SPARE_BUFFERS);
  }
}

/** The buffers of tensors that own them. */
export function buffersOf(tensors: Feeds): ArrayBuffer[] {
  return Object.values(tensors).flatMap(({ data: { buffer } }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
}

function errorOf({ problem, message, stack }: Extract<ThreadReply, { kind: 'failed' }>): Error {
  if (problem.code === 'internal') return new Error(message, { cause: new Error(stack) });
  return new BespokeError(problem.code, problem.detail, {}, new Error(stack));
}

/** Starts a thread for sessions. */
export function startSessionThread(): SessionThread {
  const isClosing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const workerData: ThreadSetup = { isClosing };
  const thread: Worker = startThread(new URL('./session-worker', import.meta.url), { name: 'sessions', workerData });
  const exited = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
  const pending = new Map<number, Pending>();
  const spare = new SpareBuffers();
  let last = 0;
  let gone: Error | undefined;
  const end = (reason: Error): void => {
    gone ??= reason;
    for (const { reject } of pending.values()) reject(gone);
    pending.clear();
  };
  thread.unref();
  thread.on('message', (reply: ThreadReply) => {
    pending.get(reply.id)?.resolve(reply);
    pending.delete(reply.id);
    if (pending.size === 0) thread.unref();
  });
  thread.on('error', end);
  thread.on('exit', (code) => end(new Error(`the thread of the sessions ended with code ${code}`)));
  /** @param given buffers that the thread takes over */
  const ask = async <K extends ThreadRequest['kind']>(
    request: Asked<K>,
    given: readonly ArrayBuffer[] = [],
  ): Promise<ThreadReply> => {
    if (gone !== undefined) throw gone;
    const id = ++last;
    const reply = await new Promise<ThreadReply>((resolve, reject) => {
      thread.postMessage({ ...request, id }, given); // first: what cannot be posted is not awaited
      pending.set(id, { resolve, reject });
      thread.ref();
    });
    if (reply.kind === 'failed') throw errorOf(reply);
    return reply;
  };
  return {
    createSession: async (model, options) => {
      const made = await ask<'create'>({ kind: 'create', model: model.slice(), options });
      invariant(made.kind === 'created', () => `a session was asked for, the answer is ${made.kind}`);
      const { id: session, inputNames, outputNames } = made;
      let isReleased = false;
      return {
        inputNames,
        outputNames,
        run: async (feeds, outputs) => {
          invariant(!isReleased, () => 'a released session was run');
          const copies = spare.copies(feeds);
          const ran = await ask<'run'>(
            { kind: 'run', session, feeds: copies, ...(outputs && { outputs }) },
            buffersOf(copies),
          );
          invariant(ran.kind === 'ran', () => `a run was asked for, the answer is ${ran.kind}`);
          spare.keep(ran.spent);
          return ran.outputs;
        },
        release: async () => {
          if (isReleased) return;
          isReleased = true;
          await ask<'release'>({ kind: 'release', session });
        },
      };
    },
    close: () => {
      end(new Error('the thread of the sessions ended: it was closed'));
      // It ends itself: ONNX Runtime's binding brings the process down where a thread is terminated in the middle of a run.
      Atomics.store(isClosing, 0, 1);
      thread.ref();
      thread.postMessage({ id: ++last, kind: 'close' } satisfies ThreadRequest);
      return exited;
    },
  };
}
