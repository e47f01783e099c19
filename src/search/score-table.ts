/** Slots per entry at least, so that probing stays short. */
const SPARSENESS = 2;
const FIRST_CAPACITY = 2 ** 12;

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

/** An empty table. Keys are whole numbers of at least 0. */
export function makeScoreTable(): ScoreTable {
  let capacity = FIRST_CAPACITY;
  let used = 0;
  let keys = new Float64Array(capacity).fill(-1);
  let scores = new Float64Array(capacity);
  const place = (key: number): number => {
    let at = hash(key) & (capacity - 1);
    while (keys[at] !== key && keys[at] !== -1) at = (at + 1) & (capacity - 1);
    return at;
  };
  const grow = (): void => {
    const [oldKeys, oldScores] = [keys, scores];
    capacity *= 2;
    keys = new Float64Array(capacity).fill(-1);
    scores = new Float64Array(capacity);
    for (let old = 0; old < oldKeys.length; old++) {
      if (oldKeys[old] === -1) continue;
      const at = place(oldKeys[old]!);
      keys[at] = oldKeys[old]!;
      scores[at] = oldScores[old]!;
    }
  };
  const enter = (key: number): number => {
    if ((used + 1) * SPARSENESS > capacity) grow();
    const at = place(key);
    if (keys[at] === key) return at;
    keys[at] = key;
    scores[at] = Number.NaN;
    used++;
    return at;
  };
  return {
    get: (key) => {
      const at = place(key);
      return keys[at] === key ? scores[at]! : Number.NaN;
    },
    set: (key, score) => {
      const at = enter(key);
      scores[at] = score;
    },
    mark: (key) => {
      const before = used;
      enter(key);
      return used > before;
    },
  };
}
