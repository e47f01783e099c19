import { describe, expect, it } from 'vitest';
import { countCorrect, distillationTargets, smoothedTargets, softmaxRows } from '../../../src/train/targets.js';

describe('targets', () => {
  it('smooths labels as published: the rest is shared by all classes', () => {
    const expected = [0.025, 0.925, 0.025, 0.025, 0.925, 0.025, 0.025, 0.025];
    smoothedTargets([1, 0], 4, 0.1).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6);
    });
    expect([...smoothedTargets([2], 3, 0)]).toEqual([0, 0, 1]);
  });

  it('takes the softmax of each row, of large logits too', () => {
    const rows = softmaxRows(Float32Array.from([0, Math.log(3), 1000, 1000]), 2);
    [0.25, 0.75, 0.5, 0.5].forEach((value, i) => {
      expect(rows[i]).toBeCloseTo(value, 6);
    });
  });

  it('mixes labels and teacher by the ratio', () => {
    const mixed = distillationTargets(Float32Array.from([1, 0]), Float32Array.from([0.2, 0.8]), 0.25);
    expect(mixed[0]).toBeCloseTo(0.8, 6);
    expect(mixed[1]).toBeCloseTo(0.2, 6);
  });

  it('counts right first guesses', () => {
    expect(countCorrect(Float32Array.from([1, 2, 3, 9, 2, 3, 1, 5, 1]), [2, 1, 1], 3)).toBe(2);
  });

  it('refuses a label beyond the classes', () => {
    expect(() => smoothedTargets([3], 3, 0)).toThrow(/label 3 of 3 classes/);
  });
});
