/** How long long work waits at each step at most, ms: what takes longer, such as the reading of a large bundle, goes on beside it. */
const MOST_WAIT_MS = 1_000;

/**
 * Lets short work past long work on one thread: each of the steps that block it would else lie between two of the short work's. Mutable.
 */
export class Precedence {
  readonly #underWay = new Set<Promise<unknown>>();

  /** Runs short work; whoever waits by {@link pause} begins its next step after it. */
  async first<T>(work: () => Promise<T>): Promise<T> {
    const result = work();
    this.#underWay.add(result);
    try {
      return await result;
    } finally {
      this.#underWay.delete(result);
    }
  }

  /**
   * Waits for the short work that is under way now, and not for what comes meanwhile: so long work gets on, however much is asked.
   * @returns whether there was any
   */
  readonly pause = async (): Promise<boolean> => {
    if (this.#underWay.size === 0) return false;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, MOST_WAIT_MS);
    });
    await Promise.race([Promise.allSettled(this.#underWay), timeout]);
    clearTimeout(timer);
    return true;
  };
}
