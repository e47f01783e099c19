/** Progress of a long piece of work: `done` of `total` units, with an optional word for people. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly note?: string;
}

/** What ends a long function or holds it up between two of its steps. */
export interface Steps {
  readonly signal?: AbortSignal | undefined;
  /** Settles when the next step may begin, for shorter work on the same thread goes first; tells whether there was any since the step before. */
  readonly pause?: (() => Promise<boolean>) | undefined;
}

/** What every long function takes: what it asks between its steps, and a listener for progress. */
export interface WorkOptions extends Steps {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Throws the signal's reason if it was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
}

/** What ends or holds up a function, out of its wider options, for a function that it calls. */
export const stepsOf = ({ signal, pause }: Steps): Steps => ({ signal, pause });

/** Lets timers, messages and I/O run. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Lets in what others ask of this thread, and waits until the next step may begin; long functions call this now and then, so that cancelling works.
 * An abort during a pause is noticed at its end.
 * @returns whether it was held up
 * @throws the signal's reason if it was aborted
 */
export async function nextStep({ signal, pause }: Steps): Promise<boolean> {
  await breathe(); // what was asked during the last step is heard before the next one
  const wasHeldUp = pause !== undefined && (await pause());
  throwIfAborted(signal);
  return wasHeldUp;
}
