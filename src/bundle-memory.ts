/** What is held in memory now, for people and tests. */
export interface MemoryAccount {
  readonly budgetBytes: number;
  readonly heldBytes: number;
  /** Least recently used first. */
  readonly held: readonly { readonly id: string; readonly bytes: number }[];
  /** How often something was loaded, and released again, since the start. */
  readonly loaded: number;
  readonly released: number;
}

export interface BundleMemoryOptions<T> {
  /** What idle entries may take together; the one used last stays however large it is. */
  readonly budgetBytes: number;
  readonly bytesOf: (id: string) => number;
  readonly load: (id: string) => Promise<T>;
  readonly release: (value: T) => Promise<void>;
}

interface Entry<T> {
  readonly value: Promise<T>;
  readonly bytes: number;
  /** Uses under way: it is not released while there are any. */
  users: number;
}

/**
 * Loads things at their first use and keeps them within a budget of bytes: before one is loaded, the least recently used ones that nobody
 * is using are released until it fits.
 */
export class BundleMemory<T> {
  readonly #options: BundleMemoryOptions<T>;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry<T>>();
  #loaded = 0;
  #released = 0;

  constructor(options: BundleMemoryOptions<T>) {
    this.#options = options;
  }

  /** Runs `work` with a thing, which stays in memory as long as that takes. @throws what loading throws; the next use tries again */
  async use<R>(id: string, work: (value: T) => Promise<R>): Promise<R> {
    const entry = this.#entries.get(id) ?? this.#load(id);
    this.#entries.set(id, entry);
    entry.users++;
    try {
      return await work(await entry.value);
    } finally {
      entry.users--;
      this.#touch(id);
      this.#makeRoom(0, id);
    }
  }

  /** Makes an entry the most recently used one: the last of the map. */
  #touch(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return; // it could not be loaded
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  account(): MemoryAccount {
    const held = [...this.#entries].map(([id, { bytes }]) => ({ id, bytes }));
    return {
      budgetBytes: this.#options.budgetBytes,
      heldBytes: this.#heldBytes(),
      held,
      loaded: this.#loaded,
      released: this.#released,
    };
  }

  #heldBytes(): number {
    return [...this.#entries.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #load(id: string): Entry<T> {
    const bytes = this.#options.bytesOf(id);
    this.#makeRoom(bytes, id);
    const value = this.#options.load(id);
    const entry: Entry<T> = { value, bytes, users: 0 };
    value.then(
      () => this.#loaded++,
      () => {
        // What could not be loaded takes no room.
        if (this.#entries.get(id) === entry) this.#entries.delete(id);
      },
    );
    return entry;
  }

  /** Releases idle entries, least recently used first, until so many bytes more are within the budget. */
  #makeRoom(bytes: number, keep: string): void {
    let excess = this.#heldBytes() + bytes - this.#options.budgetBytes;
    for (const [id, entry] of this.#entries) {
      if (excess <= 0) return;
      if (entry.users > 0 || id === keep) continue;
      this.#entries.delete(id);
      excess -= entry.bytes;
      this.#released++;
      // One that failed to load holds nothing; its loader heard of it.
      entry.value.then((value) => this.#options.release(value)).catch(() => {});
    }
  }
}
