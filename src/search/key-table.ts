/** Slots per key at least, so that probing stays short. */
const SPARSENESS = 2;
const LEAST_CAPACITY = 2 ** 12;
/** A table is made as large as is expected up to so many slots (1.5 MiB), and grows beyond: a table that grew to them would leave as many behind. */
const MOST_AT_ONCE = 2 ** 17;

/** Spreads a key of up to 53 bits over the table. */
function hash(key: number): number {
  const high = Math.imul(Math.floor(key / 2 ** 32), 0x85ebca6b);
  const mixed = Math.imul((key >>> 0) ^ high, 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/**
 * Numbers keys in the order in which they are entered, from 0 on: open addressing in typed arrays, as a map of numbers that are no small integers costs
 * ten times as much. Keys are whole numbers of at least 0. Mutable.
 * A class, as are the other parts that a search asks a hundred thousand times: closures made anew for each search lose their compiled code
 * when the search before has been collected, methods keep it.
 */
export class KeyTable {
  #capacity: number;
  #used = 0;
  #keys: Float64Array;
  #places: Int32Array;

  /** An empty table. @param expected keys; more may come */
  constructor(expected = 0) {
    const wanted = 2 ** Math.ceil(Math.log2(SPARSENESS * expected + 1));
    this.#capacity = Math.max(LEAST_CAPACITY, Math.min(MOST_AT_ONCE, wanted));
    this.#keys = new Float64Array(this.#capacity).fill(-1);
    this.#places = new Int32Array(this.#capacity);
  }

  /** The place of a key; -1 where it was not entered. */
  placeOf(key: number): number {
    const at = this.#slot(key);
    return this.#keys[at] === key ? this.#places[at]! : -1;
  }

  /** Enters a key. @returns its place; -1 where it was there before */
  enter(key: number): number {
    if ((this.#used + 1) * SPARSENESS > this.#capacity) this.#grow();
    const at = this.#slot(key);
    if (this.#keys[at] === key) return -1;
    this.#keys[at] = key;
    this.#places[at] = this.#used;
    return this.#used++;
  }

  #slot(key: number): number {
    const keys = this.#keys;
    const last = this.#capacity - 1;
    let at = hash(key) & last;
    while (keys[at] !== key && keys[at] !== -1) at = (at + 1) & last;
    return at;
  }

  #grow(): void {
    const [oldKeys, oldPlaces] = [this.#keys, this.#places];
    this.#capacity *= 2;
    this.#keys = new Float64Array(this.#capacity).fill(-1);
    this.#places = new Int32Array(this.#capacity);
    for (let old = 0; old < oldKeys.length; old++) {
      if (oldKeys[old] === -1) continue;
      const at = this.#slot(oldKeys[old]!);
      this.#keys[at] = oldKeys[old]!;
      this.#places[at] = oldPlaces[old]!;
    }
  }
}
