/** A broken assumption of ours (never of the user): not caught anywhere but at the outermost edge. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

/** Throws {@link InvariantError} unless `condition`; the message is only built when it is needed. */
export function invariant(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new InvariantError(message());
}

/** Closes an exhaustive switch: the compiler proves that no case is left. */
export function assertNever(value: never): never {
  throw new InvariantError(`unhandled case ${JSON.stringify(value)}`);
}
