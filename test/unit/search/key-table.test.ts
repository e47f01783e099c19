import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { KeyTable } from '../../../src/search/key-table.js';

describe('a table of keys', () => {
  it('numbers them as a map would in the order of entering, whatever the keys, also after it has grown', () => {
    for (const [seed, most, expected] of [
      [1, 2 ** 13, 0],
      [2, 2 ** 32, 5_000],
      [3, Number.MAX_SAFE_INTEGER, 1e12],
    ] as const) {
      const table = new KeyTable(expected);
      const map = new Map<number, number>();
      const rng = makeRng(seed);
      const keys: number[] = [];
      const wrong: number[] = [];
      for (let step = 0; step < 20_000; step++) {
        const key = keys.length > 0 && rng.chance(0.4) ? rng.pick(keys) : Math.floor(rng.next() * most);
        keys.push(key);
        if (table.placeOf(key) !== (map.get(key) ?? -1)) wrong.push(step); // to look is not to enter
        if (rng.chance(0.2)) continue;
        const place = map.has(key) ? -1 : map.size;
        if (table.enter(key) !== place) wrong.push(step);
        if (place >= 0) map.set(key, place);
      }
      expect(wrong, `seed ${seed}`).toEqual([]);
      expect([...map.keys()].map((key) => table.placeOf(key))).toEqual([...map.values()]);
      const others = Array.from({ length: 500 }, () => Math.floor(rng.next() * most)).filter((key) => !map.has(key));
      for (const key of others) expect(table.placeOf(key)).toBe(-1);
    }
  });
});
