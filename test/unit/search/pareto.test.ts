import { describe, expect, it } from 'vitest';
import { dominates, hypervolume, paretoFront } from '../../../src/search/pareto.js';

describe('dominates', () => {
  it('needs one to be better and none to be worse', () => {
    const point = { score: 2, cost: 2 };
    expect(dominates({ score: 3, cost: 2 }, point)).toBe(true);
    expect(dominates({ score: 2, cost: 1 }, point)).toBe(true);
    expect(dominates(point, point)).toBe(false);
    expect(dominates({ score: 3, cost: 3 }, point)).toBe(false);
  });
});

describe('paretoFront', () => {
  it('ascends in cost and score, and keeps the first of equals', () => {
    const points = [
      { name: 'a', score: 1, cost: 1 },
      { name: 'b', score: 3, cost: 2 },
      { name: 'dominated', score: 2, cost: 2 },
      { name: 'twin of b', score: 3, cost: 2 },
      { name: 'c', score: 4, cost: 9 },
      { name: 'dear', score: 4, cost: 10 },
    ];
    expect(paretoFront(points).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(paretoFront([])).toEqual([]);
  });
});

describe('hypervolume', () => {
  it('is the area worked out by hand', () => {
    const points = [
      { score: 1, cost: 1 },
      { score: 3, cost: 2 },
      { score: 2, cost: 3 },
    ];
    // From cost 1 to 2 height 1, from 2 to 5 height 3.
    expect(hypervolume(points, { score: 0, cost: 5 })).toBe(10);
    expect(hypervolume(points, { score: 3, cost: 5 })).toBe(0);
    expect(hypervolume(points, { score: 0, cost: 1.5 })).toBe(0.5);
  });
});
