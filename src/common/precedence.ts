/** How long short work holds others up at most, ms: what takes longer, such as the reading of a large bundle, goes on beside them. */
const MOST_HELD_UP_MS = 1_000;

/**
 * Lets short work past long work on one thread: each of the steps that block it would else lie between two of the short work's. Mutable.
 */
export class Precedence {
  /** Of short work that holds others up: settles when it no longer does. */
  readonly #underWay = new Set<Promise<void>>();
  readonly #mostMs: number;
  /** Whether there was short work since the last pause. */
  #wasAsked = false;

  /** @param mostMs after so long, ms, short work holds nobody up any more */
  constructor(mostMs: number = MOST_HELD_UP_MS) {
    this.#mostMs = mostMs;
  }

  /** Runs short work; whoever waits by {@link pause} begins its next step after it. */
  async first<T>(work: () => Promise<T>): Promise<T> {
    let settle = (): void => undefined;
    const past = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const end = (): void => {
      this.#underWay.delete(past);
      settle();
    };
    this.#underWay.add(past);
    this.#wasAsked = true;
    const timer = setTimeout(end, this.#mostMs);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
      end();
    }
  }

  /**
   * Waits for the short work that is under way, and not for what comes meanwhile: so long work gets on, a step at a time, however much is asked.
   * @returns whether there was any since the last pause
   */
  readonly pause = async (): Promise<boolean> => {
    await Promise.all(this.#underWay);
    const wasAsked = this.#wasAsked;
    this.#wasAsked = false;
    return wasAsked;
  };
}
