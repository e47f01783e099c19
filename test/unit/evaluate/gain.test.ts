import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { pairedGain } from '../../../src/evaluate/gain.js';

const guesses = (right: string): Uint8Array => Uint8Array.from(right, Number);

describe('pairedGain', () => {
  it('counts images won against images lost', () => {
    const { value, low, high } = pairedGain(guesses('1100110011'), guesses('1111110001'));
    expect(value).toBeCloseTo(0.1, 12); // 2 won, 1 lost of 10
    // By hand: sd of the differences = sqrt(3/10 - 0.01), standard error = sd / sqrt(10).
    expect((high - low) / 2).toBeCloseTo(1.96 * Math.sqrt(0.29 / 10), 12);
  });

  it('is certain where both guess alike', () => {
    const same = guesses('0110');
    expect(pairedGain(same, same)).toEqual({ value: 0, low: 0, high: 0 });
  });

  it('has an interval that holds the true gain in about 95 of 100 samples', () => {
    const rng = makeRng(5);
    let held = 0;
    const samples = 600;
    for (let sample = 0; sample < samples; sample++) {
      // Right before with 0.8; a wrong guess is mended with 0.3, a right one lost with 0.05: true gain 0.2 * 0.3 - 0.8 * 0.05 = 0.02.
      const before = Uint8Array.from({ length: 1000 }, () => (rng.chance(0.8) ? 1 : 0));
      const after = before.map((right) => (right === 1 ? (rng.chance(0.05) ? 0 : 1) : rng.chance(0.3) ? 1 : 0));
      const { low, high } = pairedGain(before, after);
      if (low <= 0.02 && high >= 0.02) held++;
    }
    expect(held / samples).toBeGreaterThan(0.92); // binomial standard error 0.9 points
    expect(held / samples).toBeLessThan(0.98);
  });
});
