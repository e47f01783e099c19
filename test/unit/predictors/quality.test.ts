import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { conformalHalfWidth, fractionInterval, predictorQuality, rmse } from '../../../src/predictors/quality.js';

describe('quality figures', () => {
  it('rmse of hand-made differences', () => {
    expect(rmse([1, 2, 3], [1, 4, 7])).toBeCloseTo(Math.sqrt((0 + 4 + 16) / 3), 14);
    expect(() => rmse([1], [1, 2])).toThrow(/equally long/);
  });

  it('reports points, ranks and what the labels themselves allow', () => {
    const top1 = [0.9, 0.91, 0.92, 0.93];
    const quality = predictorQuality([0.91, 0.92, 0.93, 0.94], { top1, halves: [top1, [0.9, 0.92, 0.91, 0.93]] });
    expect(quality.heldOut).toBe(4);
    expect(quality.rmsePoints).toBeCloseTo(1, 10);
    expect(quality.kendallTau).toBeCloseTo(1, 12);
    expect(quality.splitHalfKendallTau).toBeCloseTo(4 / 6, 12); // 5 pairs agree, 1 does not
    expect(quality.labelReliability).toBeCloseTo((2 * 0.8) / 1.8, 10); // r = 0.8 for one swap of neighbors
  });

  it('conformal intervals cover what they claim', () => {
    const rng = makeRng(5);
    const residuals = (): number => Math.abs(rng.normal() ** 3); // heavy tails: nothing here assumes a normal distribution
    const confidence = 0.9;
    let covered = 0;
    const trials = 4000;
    for (let t = 0; t < trials; t++) {
      const known = Float64Array.from({ length: 40 }, residuals).sort();
      if (residuals() <= conformalHalfWidth(known, confidence)!) covered++;
    }
    // Exact coverage is ceil(41 * 0.9) / 41 = 37 / 41 = 0.902; its standard error here is 0.0047.
    expect(covered / trials).toBeGreaterThan(0.902 - 4 * 0.0047);
    expect(covered / trials).toBeLessThan(0.902 + 4 * 0.0047);
  });

  it('gives no interval that the residuals cannot support', () => {
    expect(conformalHalfWidth([1, 2, 3], 0.75)).toBe(3); // ceil(4 * 0.75) = 3rd smallest
    expect(conformalHalfWidth([1, 2, 3], 0.76)).toBeUndefined();
    expect(() => conformalHalfWidth([1], 1)).toThrow(/between 0 and 1/);
    expect(fractionInterval(0.95, 0.1)).toEqual({ low: 0.85, high: 1 });
  });
});
