/** Progress of a long piece of work: `done` of `total` units, with an optional word for people. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly note?: string;
}

/** What every long function takes: a signal that it checks often, and a listener for progress. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Throws the signal's reason if it was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
}

/** Lets timers, messages and I/O run; long pure loops call this now and then so that cancelling works. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
