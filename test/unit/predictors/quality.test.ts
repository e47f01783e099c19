import { describe, expect, it } from 'vitest';
import { kendallTau } from '../../../src/common/rank-correlation.js';
import { makeRng } from '../../../src/common/rng.js';
import { fractionInterval, predictorQuality, rmse, tauCeiling } from '../../../src/predictors/quality.js';

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

  it.each([0.3, 0.868])('knows what labels of reliability %d let the best predictor reach', (reliability) => {
    const rng = makeRng(7);
    const truth = Array.from({ length: 20_000 }, () => rng.normal());
    const noise = Math.sqrt((1 - reliability) / reliability);
    const labels = truth.map((value) => value + noise * rng.normal());
    expect(tauCeiling(reliability)).toBeCloseTo(kendallTau(truth, labels), 2);
  });

  it('knows the limits of the labels', () => {
    expect(tauCeiling(1)).toBe(1);
    expect(tauCeiling(-0.2)).toBe(0);
  });

  it('keeps an interval of fractions within 0 and 1', () => {
    expect(fractionInterval(0.95, 0.1)).toEqual({ low: 0.85, high: 1 });
  });
});
