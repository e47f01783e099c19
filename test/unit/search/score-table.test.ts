import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { makeScoreTable } from '../../../src/search/score-table.js';

describe('a table of scores', () => {
  it('does what a map does, whatever the keys, also after it has grown', () => {
    for (const [seed, most, expected] of [
      [1, 2 ** 13, 0],
      [2, 2 ** 32, 5_000],
      [3, Number.MAX_SAFE_INTEGER, 1e12],
    ] as const) {
      const table = makeScoreTable(expected);
      const map = new Map<number, number>();
      const rng = makeRng(seed);
      const keys: number[] = [];
      const wrong: number[] = [];
      for (let step = 0; step < 20_000; step++) {
        const key = keys.length > 0 && rng.chance(0.4) ? rng.pick(keys) : Math.floor(rng.next() * most);
        keys.push(key);
        if (rng.chance(0.5)) {
          if (table.mark(key) === map.has(key)) wrong.push(step);
          if (!map.has(key)) map.set(key, Number.NaN);
        } else {
          const score = rng.normal();
          table.set(key, score);
          map.set(key, score);
        }
        if (!Object.is(table.get(key), map.get(key))) wrong.push(step);
      }
      expect(wrong, `seed ${seed}`).toEqual([]);
      expect([...map.keys()].map((key) => table.get(key))).toEqual([...map.values()]);
      const others = Array.from({ length: 500 }, () => Math.floor(rng.next() * most)).filter((key) => !map.has(key));
      for (const key of others) expect(table.get(key)).toBeNaN();
    }
  });

  it('has no score of a key that was marked alone', () => {
    const table = makeScoreTable();
    expect(table.mark(7)).toBe(true);
    expect(table.get(7)).toBeNaN();
    expect(table.mark(7)).toBe(false);
    table.set(7, 0.5);
    table.set(7, 0.25);
    expect(table.get(7)).toBe(0.25);
    expect(table.mark(7)).toBe(false);
    expect(table.get(7)).toBe(0.25);
    expect(table.get(8)).toBeNaN(); // to look is not to mark
    expect(table.mark(8)).toBe(true);
  });
});
