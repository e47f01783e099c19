/**
 * An answer that was asked for. It may be on its way; whoever takes it waits for it, and may be made to compute it: a promise would not tell when
 * somebody begins to wait.
 */
export interface Asked {
  /** @returns what was asked for, the same whenever it is taken; it is not written over later */
  take(): Promise<Float32Array>;
}

/** What is computed when it is first taken. */
export function askedOnce(compute: () => Promise<Float32Array>): Asked {
  let taken: Promise<Float32Array> | undefined;
  return {
    take: () => {
      taken ??= compute();
      return taken;
    },
  };
}

/** What is on its way, taken or not: its failure is no concern of anybody who does not take it. */
export function askedAtOnce(found: Promise<Float32Array>): Asked {
  found.catch(() => undefined);
  return { take: () => found };
}
