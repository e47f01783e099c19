import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { floats } from '../../../src/tensor/tensor.js';
import { makeOptimizer } from '../../../src/train/make-optimizer.js';
import type { OptimizerState } from '../../../src/train/optimizer.js';
import { Orthogonalizer } from '../../../src/train/orthogonalize.js';
import { layoutOf } from '../../../src/train/parameter-layout.js';
import type { OptimizerChoice } from '../../../src/train/recipe.js';

interface GoldenRun {
  start: number[];
  steps: { gradient: number[]; norm: number; weights: number[] }[];
}
function golden<T>(name: string): T {
  const url = new URL(`../../golden/optimizers/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as T;
}
const layout = layoutOf(
  new Map([
    ['a.weight', floats([6], new Float32Array(6))],
    ['a.bias', floats([3], new Float32Array(3))],
  ]),
);
const settings = { lr: 0.1, weightDecay: 0.01, clipNorm: 2 };
const stateOf = (weights: ArrayLike<number>): OptimizerState => ({
  weights: Float32Array.from(weights),
  velocity: new Float32Array(weights.length),
  secondMoment: new Float32Array(weights.length),
});
const sgd = { kind: 'sgd', momentum: 0.9 } as const;
const adamw = { kind: 'adamw', beta1: 0.9, beta2: 0.99 } as const;
const muon = { kind: 'muon', momentum: 0.9, matrixLrScale: 2, beta1: 0.9, beta2: 0.99 } as const;

describe('optimizers', () => {
  // Muon's part without matrices is AdamW.
  const cases: [string, OptimizerChoice, string][] = [
    ["PyTorch's Nesterov SGD", sgd, 'sgd'],
    ["PyTorch's AdamW", adamw, 'adamw'],
    ["PyTorch's AdamW, in Muon's part that is no matrix", muon, 'adamw'],
  ];
  it.each(cases)(
    'agree with %s, clipping and decay over steps with a long and a zero gradient',
    async (_, choice, file) => {
      const { start, steps } = golden<GoldenRun>(file);
      const state = stateOf(start);
      const optimizer = await makeOptimizer(layout, choice);
      for (const [step, { gradient, norm, weights }] of steps.entries()) {
        const found = await optimizer.update(state, Float32Array.from(gradient), { ...settings, step });
        expect(found).toBeCloseTo(norm, 5);
        weights.forEach((weight, i) => {
          expect(state.weights[i]).toBeCloseTo(weight, 5);
        });
      }
      await optimizer.release();
    },
  );

  it.each([sgd, adamw, muon])(
    '$kind changes nothing when the gradient is not finite, and returns what is wrong',
    async (choice) => {
      const { start } = golden<GoldenRun>('sgd');
      const state = stateOf(start);
      const gradient = new Float32Array(9).fill(1);
      gradient[4] = Number.NaN;
      const optimizer = await makeOptimizer(layout, choice);
      expect(await optimizer.update(state, gradient, { ...settings, step: 0 })).toBeNaN();
      expect(state.weights).toEqual(Float32Array.from(start));
      await optimizer.release();
    },
  );
});

interface OrthogonalCase {
  rows: number;
  columns: number;
  matrix: number[];
  nearest: number[];
  iterated: number[];
}
const { cases } = golden<{ cases: OrthogonalCase[] }>('orthogonal');

describe('orthogonalization', () => {
  it('agrees with the iterations in float64, and lies near the orthogonal factor of the decomposition', async () => {
    const shapes = cases.map(({ rows, columns }, i) => ({ name: `m${i}`, rows, columns }));
    const orthogonalizer = await Orthogonalizer.create(shapes);
    const given = new Map(cases.map(({ matrix }, i) => [`m${i}`, Float32Array.from(matrix)]));
    const found = await orthogonalizer.run(given);
    for (const [i, { iterated, nearest }] of cases.entries()) {
      const values = found.get(`m${i}`)!;
      iterated.forEach((value, j) => {
        expect(values[j]).toBeCloseTo(value, 4);
      });
      const cosine =
        values.reduce((sum, value, j) => sum + value * nearest[j]!, 0) / Math.hypot(...values) / Math.hypot(...nearest);
      expect(cosine).toBeGreaterThan(0.97);
    }
    await orthogonalizer.release();
  });

  it('leaves a matrix of zeros as it is', async () => {
    const orthogonalizer = await Orthogonalizer.create([{ name: 'zero', rows: 2, columns: 3 }]);
    const found = await orthogonalizer.run(new Map([['zero', new Float32Array(6)]]));
    expect(found.get('zero')).toEqual(new Float32Array(6));
    await orthogonalizer.release();
  });
});

describe('muon', () => {
  const matrix = cases[1]!; // tall: 6 x 4
  const tall = layoutOf(new Map([['a.weight', floats([6, 4, 1, 1], new Float32Array(24))]]));

  it('moves a matrix along its orthogonalized Nesterov momentum, scaled for its shape, and decays it', async () => {
    const state = stateOf(new Float32Array(24).fill(1));
    const optimizer = await makeOptimizer(tall, muon);
    await optimizer.update(state, Float32Array.from(matrix.matrix), { ...settings, clipNorm: 100, step: 0 });
    const lr = settings.lr * muon.matrixLrScale;
    matrix.iterated.forEach((direction, i) => {
      // the first momentum is a multiple of the gradient, which orthogonalization does not see
      expect(state.weights[i]).toBeCloseTo(1 - lr * settings.weightDecay - lr * Math.sqrt(6 / 4) * direction, 4);
    });
    await optimizer.release();
  });
});
