import { describe, expect, it } from 'vitest';
import { kendallTau, pearson, spearman } from '../../../src/common/rank-correlation.js';
import { makeRng } from '../../../src/common/rng.js';

/** tau-b by its definition, over all pairs. */
function bruteTau(a: readonly number[], b: readonly number[]): number {
  let numerator = 0;
  let untiedA = 0;
  let untiedB = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const da = Math.sign(a[i]! - a[j]!);
      const db = Math.sign(b[i]! - b[j]!);
      numerator += da * db;
      untiedA += da * da;
      untiedB += db * db;
    }
  }
  return untiedA * untiedB === 0 ? 0 : numerator / Math.sqrt(untiedA * untiedB);
}

/** Spearman by counting: the rank is one more than the smaller values, plus half of the other equal ones. */
function bruteSpearman(a: readonly number[], b: readonly number[]): number {
  const ranks = (values: readonly number[]): number[] =>
    values.map((v) => values.filter((w) => w < v).length + (values.filter((w) => w === v).length + 1) / 2);
  return pearson(ranks(a), ranks(b));
}

describe('rank correlations', () => {
  for (const [levels, size] of [
    [1e9, 60],
    [5, 80],
    [2, 33],
    [1, 7],
    [3, 2],
  ] as const) {
    it(`equal the definition over all pairs, ${size} values of ${levels} levels`, () => {
      const rng = makeRng(levels + size);
      for (let repeat = 0; repeat < 20; repeat++) {
        const a = Array.from({ length: size }, () => rng.int(levels));
        const b = a.map((v) => (rng.chance(0.5) ? v : rng.int(levels)));
        expect(kendallTau(a, b)).toBeCloseTo(bruteTau(a, b), 12);
        expect(spearman(a, b)).toBeCloseTo(bruteSpearman(a, b), 12);
      }
    });
  }

  it('agrees with the published examples', () => {
    // scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) = -0.47140452079103173 (its documentation)
    expect(kendallTau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])).toBeCloseTo(-0.47140452079103173, 14);
    // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) = 0.8207826816681233 (its documentation)
    expect(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])).toBeCloseTo(0.8207826816681233, 14);
  });

  it('leaves its arguments as they are and refuses unequal lengths', () => {
    const a = Object.freeze([3, 1, 2]);
    expect(kendallTau(a, [1, 2, 3])).toBeCloseTo(-1 / 3, 14);
    expect(() => kendallTau(a, [1, 2])).toThrow(/equally long/);
  });

  it('handles 50,000 values, ties included', () => {
    const rng = makeRng(1);
    const a = Array.from({ length: 50_000 }, () => rng.int(1000));
    expect(kendallTau(a, a)).toBeCloseTo(1, 12);
    expect(
      kendallTau(
        a,
        a.map((v) => -v),
      ),
    ).toBeCloseTo(-1, 12);
  });
});
