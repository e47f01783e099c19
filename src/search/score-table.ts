/** Slots per entry at least, so that probing stays short. */
const SPARSENESS = 2;
const LEAST_CAPACITY = 2 ** 12;
/** A table is made as large as is expected up to so many slots (2 MiB), and grows beyond: a table that grew to them would leave as many behind. */
const MOST_AT_ONCE = 2 ** 17;

/** Scores by key: open addressing in typed arrays, as a map of numbers that are no small integers costs ten times as much. Mutable. */
export interface ScoreTable {
  /** The score of a key; NaN where it has none. */
  get(key: number): number;
  set(key: number, score: number): void;
  /** Enters a key; false if it was there before. */
  mark(key: number): boolean;
}

/** Spreads a key of up to 53 bits over the table. */
function hash(key: number): number {
  const high = Math.imul(Math.floor(key / 2 ** 32), 0x85ebca6b);
  const mixed = Math.imul((key >>> 0) ^ high, 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/**
 * The table. A class, as are the other parts that a search asks a hundred thousand times: closures made anew for each search lose their compiled code
 * when the search before has been collected, methods keep it.
 */
class OpenTable implements ScoreTable {
  #capacity: number;
  #used = 0;
  #keys: Float64Array;
  #scores: Float64Array;

  constructor(expected: number) {
    const wanted = 2 ** Math.ceil(Math.log2(SPARSENESS * expected + 1));
    this.#capacity = Math.max(LEAST_CAPACITY, Math.min(MOST_AT_ONCE, wanted));
    this.#keys = new Float64Array(this.#capacity).fill(-1);
    this.#scores = new Float64Array(this.#capacity);
  }

  get(key: number): number {
    const at = this.#place(key);
    return this.#keys[at] === key ? this.#scores[at]! : Number.NaN;
  }

  set(key: number, score: number): void {
    const at = this.#enter(key);
    this.#scores[at] = score;
  }

  mark(key: number): boolean {
    const before = this.#used;
    this.#enter(key);
    return this.#used > before;
  }

  #place(key: number): number {
    const keys = this.#keys;
    const last = this.#capacity - 1;
    let at = hash(key) & last;
    while (keys[at] !== key && keys[at] !== -1) at = (at + 1) & last;
    return at;
  }

  #enter(key: number): number {
    if ((this.#used + 1) * SPARSENESS > this.#capacity) this.#grow();
    const at = this.#place(key);
    if (this.#keys[at] === key) return at;
    this.#keys[at] = key;
    this.#scores[at] = Number.NaN;
    this.#used++;
    return at;
  }

  #grow(): void {
    const [oldKeys, oldScores] = [this.#keys, this.#scores];
    this.#capacity *= 2;
    this.#keys = new Float64Array(this.#capacity).fill(-1);
    this.#scores = new Float64Array(this.#capacity);
    for (let old = 0; old < oldKeys.length; old++) {
      if (oldKeys[old] === -1) continue;
      const at = this.#place(oldKeys[old]!);
      this.#keys[at] = oldKeys[old]!;
      this.#scores[at] = oldScores[old]!;
    }
  }
}

/** An empty table. Keys are whole numbers of at least 0. @param expected keys; more may come */
export const makeScoreTable = (expected = 0): ScoreTable => new OpenTable(expected);
