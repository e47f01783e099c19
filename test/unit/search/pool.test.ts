import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { Keyed } from '../../../src/search/genome.js';
import { paretoFront } from '../../../src/search/pareto.js';
import { makePool } from '../../../src/search/pool.js';
import type { Scored } from '../../../src/search/scorer.js';

/** A scored architecture that its key tells apart. */
function point(key: number, score: number, cost: number): Scored {
  return Object.assign(new Keyed(Uint8Array.of(key % 256), key), { score, cost });
}

describe('the pool of a search', () => {
  it('holds the front of all that it took in, of equals the first, however it came', () => {
    for (const grid of [4, 12, 1_000]) {
      const rng = makeRng(grid);
      const pool = makePool(({ score }) => score);
      const all: Scored[] = [];
      for (let step = 0; step < 60; step++) {
        const batch = Array.from({ length: rng.int(40) }, (_, i) => {
          const cost = rng.int(grid);
          return point(1_000 * step + i, rng.int(1 + cost), cost);
        });
        all.push(...batch);
        pool.absorb(batch);
        expect(pool.front.map(({ key }) => key)).toEqual(paretoFront(all).map(({ key }) => key));
        const highest = Math.max(...all.map(({ score }) => score));
        const best = all.filter(({ score }) => score === highest);
        if (best.length > 0) expect(pool.best?.cost).toBe(Math.min(...best.map(({ cost }) => cost)));
      }
      expect(pool.front.length).toBeGreaterThan(1);
    }
  });

  it('keeps a thousand points at most, the ends and the best among them', () => {
    // What is best lies inside, where it adds least: close to the one before, which is put out of the way by nothing else.
    const pool = makePool(({ score, cost }) => (cost === 700.001 ? 2 : score));
    const points = Array.from({ length: 1_500 }, (_, i) => point(i, i / 1_500, i));
    const best = point(2_000, 700.000001 / 1_500, 700.001);
    for (let start = 0; start < 1_500; start += 100) pool.absorb(points.slice(start, start + 100));
    pool.absorb([best, point(2_001, 2, 2_000)]);
    expect(pool.front.length).toBe(1_000);
    expect(pool.front[0]!.key).toBe(0);
    expect(pool.front.at(-1)!.key).toBe(2_001);
    expect(pool.best!.key).toBe(2_000);
    expect(pool.front).toContain(best);
    const costs = pool.front.map(({ cost }) => cost);
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
  });
});
