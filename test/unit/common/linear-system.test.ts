import { describe, expect, it } from 'vitest';
import { solvePositiveDefinite } from '../../../src/common/linear-system.js';
import { makeRng } from '../../../src/common/rng.js';

describe('a symmetric positive definite system', () => {
  it('is solved: what was multiplied comes back', () => {
    const rng = makeRng(3);
    const n = 12;
    const factor = Float64Array.from({ length: n * n }, () => rng.normal());
    const at = (i: number, j: number): number => {
      let sum = i === j ? 0.5 : 0;
      for (let k = 0; k < n; k++) sum += factor[i * n + k]! * factor[j * n + k]!;
      return sum;
    };
    const a = Float64Array.from({ length: n * n }, (_, index) => at(Math.floor(index / n), index % n));
    const truth = Array.from({ length: n }, () => rng.normal());
    const b = Float64Array.from(truth, (_, i) => truth.reduce((sum, x, j) => sum + a[i * n + j]! * x, 0));
    solvePositiveDefinite(a, b).forEach((x, i) => {
      expect(x).toBeCloseTo(truth[i]!, 8);
    });
  });
});
