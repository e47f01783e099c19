import { type ChildProcess, fork } from 'node:child_process';
import { BespokeError, type ErrorCode, type ErrorExtras } from '../common/errors.js';

/** Calls to a child process: one at a time or several, each with events on the way and a result or an error at the end. */
type ToChild =
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly kind: 'abort'; readonly id: number };
type FromChild =
  | { readonly kind: 'alive' }
  | { readonly kind: 'event'; readonly id: number; readonly event: unknown }
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: WireError };

/** An error as it crosses the process boundary; an unexpected one has no code and keeps its stack for the log. */
interface WireError {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly extras: ErrorExtras;
  readonly stack: string | undefined;
  readonly aborted: boolean;
}

/** What a method of the child gets beside its parameters. */
export interface CallContext {
  readonly signal: AbortSignal;
  readonly emit: (event: unknown) => void;
}
export type ChildMethods = Readonly<Record<string, (params: never, context: CallContext) => Promise<unknown>>>;

/** The child ended while a call was under way. */
export class ChildGoneError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ChildGoneError';
  }
}

/** How often a child says that it lives, ms: short against any lease (seconds), long against a message's cost (microseconds). */
const ALIVE_INTERVAL_MS = 500;

/** A new process loads its modules before it can say anything: seconds on a busy machine, and as long as this if it hangs. */
const START_GRACE_MS = 30_000;

const wireError = (error: unknown, aborted: boolean): WireError => ({
  code: error instanceof BespokeError ? error.code : undefined,
  message: error instanceof Error ? error.message : String(error),
  extras: error instanceof BespokeError ? error.extras : {},
  stack: error instanceof Error ? error.stack : undefined,
  aborted,
});

function errorFromWire(wire: WireError): Error {
  if (wire.aborted) return new DOMException(wire.message, 'AbortError');
  if (wire.code !== undefined) return new BespokeError(wire.code, wire.message, wire.extras);
  const error = new Error(wire.message);
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}

/**
 * The child's side: answers calls until the parent goes away, and then ends, so that no child outlives a killed parent.
 */
export function serveParent(methods: ChildMethods): void {
  const running = new Map<number, AbortController>();
  const send = (message: FromChild): void => {
    if (process.connected) process.send?.(message);
  };
  const answer = async (id: number, method: string, params: unknown): Promise<void> => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const run = methods[method];
      if (run === undefined) throw new Error(`the child has no method "${method}"`);
      const context: CallContext = { signal: controller.signal, emit: (event) => send({ kind: 'event', id, event }) };
      // The parent's typed wrapper of this method is what fixes the parameters' type.
      send({ kind: 'result', id, value: await run(params as never, context) });
    } catch (error) {
      send({ kind: 'error', id, error: wireError(error, controller.signal.aborted) });
    } finally {
      running.delete(id);
    }
  };
  process.on('message', (message: ToChild) => {
    if (message.kind === 'call') void answer(message.id, message.method, message.params);
    else running.get(message.id)?.abort(new DOMException('aborted by the caller', 'AbortError'));
  });
  process.on('disconnect', () => process.exit(0));
  setInterval(() => send({ kind: 'alive' }), ALIVE_INTERVAL_MS).unref();
  send({ kind: 'alive' });
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: unknown) => void) | undefined;
}

interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onEvent: ((event: unknown) => void) | undefined;
}

/**
 * The parent's side of a child process that does blocking numeric work. A child that ends rejects its pending calls with
 * {@link ChildGoneError}; the next call starts a new one.
 */
export class Child {
  readonly #modulePath: string;
  readonly #args: readonly string[];
  readonly #pending = new Map<number, PendingCall>();
  #process: ChildProcess | undefined;
  #nextId = 1;
  #heardAt = performance.now();
  #isStarting = false;

  constructor(modulePath: string, args: readonly string[] = []) {
    this.#modulePath = modulePath;
    this.#args = args;
  }

  /** Milliseconds since the child last said anything (also while it is stopped by a signal); 0 while it starts. */
  get silentMs(): number {
    const ms = performance.now() - this.#heardAt;
    return this.#isStarting && ms < START_GRACE_MS ? 0 : ms;
  }

  /** True while calls wait for their answer. */
  get isBusy(): boolean {
    return this.#pending.size > 0;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  #start(): ChildProcess {
    // From TypeScript sources (tests, scripts) the child needs the same loader; compiled code needs none.
    const loader = this.#modulePath.endsWith('.ts') ? ['--import', 'tsx'] : [];
    const execArgv = [...loader, '--expose-gc'];
    const child = fork(this.#modulePath, this.#args, {
      serialization: 'advanced',
      execArgv,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#heardAt = performance.now();
    this.#isStarting = true;
    child.on('message', (message: FromChild) => this.#receive(message));
    child.on('error', () => this.#gone(child, 'could not be started or reached'));
    child.on('exit', (code, signal) => this.#gone(child, `ended (${signal ?? `exit code ${code}`})`));
    this.#process = child;
    return child;
  }

  #gone(child: ChildProcess, how: string): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    for (const call of this.#pending.values()) call.reject(new ChildGoneError(`the numeric process ${how}`));
    this.#pending.clear();
  }

  #receive(message: FromChild): void {
    this.#heardAt = performance.now();
    this.#isStarting = false;
    if (message.kind === 'alive') return;
    const call = this.#pending.get(message.id);
    if (call === undefined) return;
    if (message.kind === 'event') {
      call.onEvent?.(message.event);
      return;
    }
    this.#pending.delete(message.id);
    if (message.kind === 'result') call.resolve(message.value);
    else call.reject(errorFromWire(message.error));
  }

  /** Calls a method of the child; the caller's type parameter states what that method returns. */
  async call<T>(method: string, params: unknown, options: CallOptions = {}): Promise<T> {
    options.signal?.throwIfAborted();
    const child = this.#process ?? this.#start();
    const id = this.#nextId++;
    const abort = (): void => {
      if (child.connected) child.send({ kind: 'abort', id } satisfies ToChild);
    };
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      const result = new Promise<unknown>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject, onEvent: options.onEvent });
      });
      child.send({ kind: 'call', id, method, params } satisfies ToChild, (error) => {
        if (error !== null) this.#gone(child, 'cannot be reached');
      });
      return (await result) as T; // the process boundary: the method's wrapper names its result type
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends the child at once, stopped or not; pending calls are rejected. */
  kill(): void {
    const child = this.#process;
    child?.kill('SIGKILL');
    if (child !== undefined) this.#gone(child, 'was ended');
  }
}
