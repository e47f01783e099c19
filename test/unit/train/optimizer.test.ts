import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { floats } from '../../../src/tensor/tensor.js';
import { updateWeights } from '../../../src/train/optimizer.js';
import { layoutOf } from '../../../src/train/parameter-layout.js';

const golden = JSON.parse(readFileSync(new URL('../../golden/sgd/sgd.json', import.meta.url), 'utf8')) as {
  start: number[];
  steps: { gradient: number[]; norm: number; weights: number[] }[];
};
const layout = layoutOf(
  new Map([
    ['a.weight', floats([6], new Float32Array(6))],
    ['a.bias', floats([3], new Float32Array(3))],
  ]),
);
const settings = { lr: 0.1, momentum: 0.9, weightDecay: 0.01, clipNorm: 2 };

describe('updateWeights', () => {
  it("agrees with PyTorch's Nesterov SGD, clipping and decay over steps with a long and a zero gradient", () => {
    const state = { weights: Float32Array.from(golden.start), velocity: new Float32Array(9) };
    for (const step of golden.steps) {
      const norm = updateWeights(layout, state, Float32Array.from(step.gradient), settings);
      expect(norm).toBeCloseTo(step.norm, 5);
      step.weights.forEach((weight, i) => {
        expect(state.weights[i]).toBeCloseTo(weight, 5);
      });
    }
  });

  it('changes nothing when the gradient is not finite, and returns what is wrong', () => {
    const state = { weights: Float32Array.from(golden.start), velocity: new Float32Array(9) };
    const gradient = new Float32Array(9).fill(1);
    gradient[4] = Number.NaN;
    expect(updateWeights(layout, state, gradient, settings)).toBeNaN();
    expect(state.weights).toEqual(Float32Array.from(golden.start));
  });
});
