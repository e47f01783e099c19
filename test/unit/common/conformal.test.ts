import { describe, expect, it } from 'vitest';
import {
  absoluteAscending,
  conformalLowerQuantile,
  conformalQuantile,
  highestConfidence,
} from '../../../src/common/conformal.js';
import { makeRng } from '../../../src/common/rng.js';

describe('conformalQuantile', () => {
  it('is the ceil((n + 1) * confidence)-th smallest score', () => {
    expect(conformalQuantile([1, 2, 3], 0.75)).toBe(3);
    expect(conformalQuantile([1, 2, 3], 0.5)).toBe(2);
    expect(conformalQuantile([1, 2, 3], 0.51)).toBe(3);
    expect(conformalQuantile([5], 0.01)).toBe(5);
  });

  it('says that the scores are too few beyond n / (n + 1)', () => {
    expect(conformalQuantile([1, 2, 3], 0.76)).toBeUndefined();
    expect(conformalQuantile([], 0.5)).toBeUndefined();
    expect(highestConfidence(3)).toBe(0.75);
    expect(conformalLowerQuantile([1, 2, 3], 0.76)).toBeUndefined();
  });

  it('counts ranks exactly where the product rounds up', () => {
    const scores = Array.from({ length: 99 }, (_, i) => i + 1);
    expect(100 * 0.07).toBeGreaterThan(7); // the rounding that it must see through
    expect(conformalQuantile(scores, 0.07)).toBe(7);
    expect(conformalLowerQuantile(scores, 0.07)).toBe(93);
  });

  it('mirrors itself at the lower end', () => {
    const scores = [-3, -1, 0, 2, 7, 8, 9, 11, 20];
    const mirrored = scores.map((score) => -score).reverse();
    for (const confidence of [0.1, 0.35, 0.5, 0.8, 0.9]) {
      expect(conformalLowerQuantile(scores, confidence)).toBe(-conformalQuantile(mirrored, confidence)!);
    }
  });

  it.each([0.5, 0.8, 0.95])('covers a further draw with the exact finite-sample probability at %d', (confidence) => {
    // For continuous scores the probability is exactly ceil((n + 1) * confidence) / (n + 1), whatever the distribution.
    const rng = makeRng(11).fork(confidence);
    const n = 24;
    const trials = 20_000;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      const scores = Array.from({ length: n }, () => Math.exp(2 * rng.normal())).sort((a, b) => a - b);
      if (Math.exp(2 * rng.normal()) <= conformalQuantile(scores, confidence)!) covered++;
    }
    const exact = Math.ceil((n + 1) * confidence) / (n + 1);
    expect(Math.abs(covered / trials - exact)).toBeLessThan(4 * Math.sqrt((exact * (1 - exact)) / trials));
  });

  it('refuses confidences that are none', () => {
    for (const confidence of [0, 1, 1.2, Number.NaN]) {
      expect(() => conformalQuantile([1], confidence)).toThrow(/between 0 and 1/);
      expect(() => conformalLowerQuantile([1], confidence)).toThrow(/between 0 and 1/);
    }
  });

  it('takes the sizes of residuals in order', () => {
    expect([...absoluteAscending([-3, -1, 2])]).toEqual([1, 2, 3]);
  });
});
