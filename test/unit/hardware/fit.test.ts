import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { fitRelative, holdoutErrors, polish } from '../../../src/hardware/fit.js';

/** Sum of squared relative errors, by the definition. */
function loss(rows: readonly (readonly number[])[], y: readonly number[], coefficients: readonly number[]): number {
  return rows.reduce((sum, row, i) => {
    const predicted = row.reduce((total, x, j) => total + x * coefficients[j]!, 0);
    return sum + ((predicted - y[i]!) / y[i]!) ** 2;
  }, 0);
}

describe('the fit', () => {
  const rng = makeRng(11);
  const rows = Array.from({ length: 40 }, () => [1 + rng.next(), rng.int(9) + 3, 1e4 * (1 + rng.next()), 1]);

  it('finds the coefficients that made the data, whatever their units', () => {
    const truth = [1.2, -0.01, 3e-6, 0.05];
    const y = rows.map((row) => row.reduce((sum, x, j) => sum + x * truth[j]!, 0));
    fitRelative(rows, y).forEach((c, j) => {
      expect(c / truth[j]!).toBeCloseTo(1, 4);
    });
  });

  it('is at the bottom of the sum of squared relative errors', () => {
    const y = rows.map((row) => row[0]! * (1 + 0.1 * rng.normal()));
    const fitted = fitRelative(rows, y);
    const least = loss(rows, y, fitted);
    fitted.forEach((c, j) => {
      for (const step of [-1e-3, 1e-3]) {
        const moved = fitted.map((v, k) => (k === j ? c * (1 + step) : v));
        expect(loss(rows, y, moved)).toBeGreaterThan(least);
      }
    });
  });

  it('copes with features that depend on each other', () => {
    const dependent = [
      [1, 2, 1],
      [2, 2, 1],
      [3, 2, 1],
      [4, 2, 1],
    ]; // the second is twice the third
    const y = [11, 12, 13, 14];
    const fitted = fitRelative(dependent, y);
    expect(loss(dependent, y, fitted)).toBeLessThan(1e-8);
  });

  it('states errors in percent of what was measured', () => {
    const errors = holdoutErrors([1.1, 1.9, 3, 4], [1, 2, 3, 5]);
    expect(errors.nets).toBe(4);
    expect(errors.mapePercent).toBeCloseTo((10 + 5 + 0 + 20) / 4, 10);
    expect(errors.p90Percent).toBeCloseTo(20, 10);
    expect(errors.maxPercent).toBeCloseTo(20, 10);
    expect(errors.kendallTau).toBeCloseTo(1, 12);
  });

  it('separates slow passes from slow subjects, with single disturbed times among them', () => {
    const times = [0.05, 0.2, 0.1, 1.5, 0.7];
    const levels = [1, 1.3, 0.97, 1.02, 1];
    const passes = levels.map((level) => times.map((time) => level * time));
    passes[1]![2]! *= 4;
    passes[4]![0]! *= 2;
    const polished = polish(passes);
    polished.levels.forEach((level, p) => {
      expect(level).toBeCloseTo(levels[p]!, 10);
    });
    polished.times.forEach((time, s) => {
      expect(time).toBeCloseTo(times[s]!, 10);
      expect(polished.undisturbed[s]).toBeCloseTo(times[s]!, 10);
    });
  });

  it('recovers times from passes that are mostly disturbed, at the level of the middle', () => {
    const draw = makeRng(21);
    const times = Array.from({ length: 60 }, () => 0.05 + draw.next());
    // Every time is lengthened by chance, half of them by much: the middle is noisy, the low end is not.
    const passes = Array.from({ length: 30 }, () =>
      times.map((time) => time * (1 + (draw.chance(0.5) ? 0.3 * draw.next() : 0.01 * draw.next()))),
    );
    const { times: middle, undisturbed } = polish(passes);
    const spread = (estimates: readonly number[]): number => {
      const ratios = estimates.map((estimate, s) => Math.log(estimate / times[s]!));
      const mean = ratios.reduce((sum, r) => sum + r, 0) / ratios.length;
      return Math.sqrt(ratios.reduce((sum, r) => sum + (r - mean) ** 2, 0) / ratios.length);
    };
    expect(spread(undisturbed)).toBeLessThan(0.5 * spread(middle));
    const level = undisturbed.map((value, s) => value / middle[s]!).sort((a, b) => a - b)[30]!;
    expect(Math.abs(Math.log(level))).toBeLessThan(0.02);
  });
});
