import { invariant } from '../common/invariant.js';
import type { Queue, QueueMessage } from './queue.js';

/** The longest wait that setTimeout takes, ms; a later message is looked at again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A message in the order it came, which settles equal priorities. */
interface Waiting {
  readonly message: QueueMessage;
  readonly order: number;
}

/** The queue within one process: lost when it ends, which loses nothing, as the rows in the database wait on their own. */
class InProcessQueue implements Queue {
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Set<Promise<void>>();
  readonly #now: () => number;
  #handler: ((message: QueueMessage) => Promise<void>) | undefined;
  #concurrency = 1;
  #arrivals = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  async enqueue(message: QueueMessage): Promise<void> {
    if (this.#isClosed || this.#waiting.has(message.id)) return;
    this.#waiting.set(message.id, { message, order: this.#arrivals++ });
    this.#handOut();
  }

  work(handler: (message: QueueMessage) => Promise<void>, concurrency = 1): void {
    invariant(this.#handler === undefined, () => 'work() is called once');
    invariant(Number.isInteger(concurrency) && concurrency > 0, () => `concurrency must be >= 1, got ${concurrency}`);
    this.#handler = handler;
    this.#concurrency = concurrency;
    this.#handOut();
  }

  async depth(): Promise<number> {
    return this.#waiting.size;
  }

  async cancel(id: string): Promise<void> {
    this.#waiting.delete(id);
  }

  async isReady(): Promise<boolean> {
    return !this.#isClosed;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  /** Starts as many handlers as there are places and due messages; sets the timer for the next one that is not due yet. */
  #handOut(): void {
    clearTimeout(this.#timer);
    const handler = this.#handler;
    if (handler === undefined || this.#isClosed) return;
    while (this.#running.size < this.#concurrency) {
      const next = this.#nextDue();
      if (next === undefined) break;
      this.#waiting.delete(next.id);
      this.#run(handler, next);
    }
    this.#waitForNext();
  }

  #nextDue(): QueueMessage | undefined {
    const now = this.#now();
    const due = [...this.#waiting.values()].filter(({ message }) => (message.notBefore ?? 0) <= now);
    return due.sort(byPriority)[0]?.message;
  }

  #run(handler: (message: QueueMessage) => Promise<void>, message: QueueMessage): void {
    const run = Promise.resolve()
      .then(() => handler(message))
      .catch(() => {}) // dropped: the sweeper brings it back (queue.ts)
      .then(() => {
        this.#running.delete(run);
        this.#handOut();
      });
    this.#running.add(run);
  }

  #waitForNext(): void {
    if (this.#running.size >= this.#concurrency || this.#waiting.size === 0) return;
    const times = [...this.#waiting.values()].map(({ message }) => message.notBefore ?? 0);
    const ms = Math.max(Math.min(...times) - this.#now(), 1);
    this.#timer = setTimeout(() => this.#handOut(), Math.min(ms, MAX_TIMER_MS));
  }
}

function byPriority(a: Waiting, b: Waiting): number {
  return (a.message.priority ?? 0) - (b.message.priority ?? 0) || a.order - b.order;
}

/**
 * Makes the queue of a single process.
 * @param now the clock, ms since the epoch
 */
export function makeInProcessQueue(now: () => number = Date.now): Queue {
  return new InProcessQueue(now);
}
