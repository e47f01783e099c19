import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { inputSize, type MlpEnsemble, slopesModel } from '../../../src/predictors/mlp-graph.js';
import { createSession } from '../../../src/runtime/session.js';
import { floats } from '../../../src/tensor/tensor.js';
import { judge, randomMlp, randomRows, roundingBounds } from './mlps.js';

async function slopesOf(ensemble: MlpEnsemble, rows: Float32Array): Promise<Float32Array> {
  const features = inputSize(ensemble);
  const session = await createSession(encodeModel(slopesModel(ensemble)), { threads: 1, optimization: 'all' });
  try {
    const { slopes } = await session.run({ encoding: floats([rows.length / features, features], rows) });
    expect(slopes!.dims).toEqual([rows.length / features, features]);
    return slopes!.data as Float32Array; // the model's only output is float32
  } finally {
    await session.release();
  }
}

/** Hidden layers of each member: none, one and two, each alone and together. */
const HIDDEN: readonly [string, readonly (readonly number[])[]][] = [
  ['two members of one layer', [[], []]],
  ['two members of two layers', [[9], [6]]],
  [
    'three members of three layers',
    [
      [9, 7],
      [7, 8],
      [5, 6],
    ],
  ],
  ['members of one, two and three layers', [[], [9], [8, 5]]],
];

describe('slopesModel', () => {
  const features = 13;
  const ensembleOf = (hidden: readonly (readonly number[])[], seed: number): MlpEnsemble => {
    const rng = makeRng(seed);
    const members = hidden.map((sizes) => randomMlp(rng, [features, ...sizes, 1]));
    return { members, mean: 0.7, std: 0.02 };
  };

  it.each(HIDDEN)('of %s gives what central differences give', async (_, hidden) => {
    const ensemble = ensembleOf(hidden, 21);
    const rows = randomRows(makeRng(22), 40, features);
    const slopes = await slopesOf(ensemble, rows);
    const bounds = roundingBounds(ensemble);
    const step = 1e-4;
    let compared = 0;
    for (let row = 0; row < 40; row++) {
      const input = Array.from(rows.subarray(row * features, (row + 1) * features));
      const here = judge(ensemble, input).before;
      // A ReLU this near to its kink may stand on either side of it in float32.
      if (here.some((z) => Math.abs(z) < 1e-3)) continue;
      for (let i = 0; i < features; i++) {
        const [above, below] = [step, -step].map((by) => judge(ensemble, input.with(i, input[i]! + by)));
        const crosses = [above!, below!].some(({ before }) => before.some((z, at) => z > 0 !== here[at]! > 0));
        if (crosses) continue;
        // Between kinks the function is linear, so that the difference is exact but for float64's rounding of 0.7 / step.
        const expected = (above!.top1 - below!.top1) / (2 * step);
        const error = Math.abs(slopes[row * features + i]! - expected);
        expect(error, `row ${row}, feature ${i}`).toBeLessThan(bounds[i]! + 1e-10);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(400); // of 520
    expect(Math.max(...bounds)).toBeLessThan(1e-3 * Math.max(...slopes.map(Math.abs))); // the bound says something
  });

  it('differs from row to row where a ReLU lies between, and not where none does', async () => {
    const rows = randomRows(makeRng(23), 30, features);
    const distinct = async (hidden: readonly (readonly number[])[]): Promise<number> => {
      const slopes = await slopesOf(ensembleOf(hidden, 24), rows);
      return new Set(Array.from({ length: 30 }, (_, row) => slopes[row * features])).size;
    };
    expect(await distinct([[9], [6]])).toBeGreaterThan(10);
    expect(await distinct([[], []])).toBe(1);
  });
});

/** A Python with PyTorch; without one its test is skipped, visibly. */
const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

/** Reads members as lists of [weight, bias], answers the gradient of the summed top-1 by each input, in float64. */
const AUTOGRAD = `
import json, sys, torch
given = json.load(sys.stdin)
x = torch.tensor(given['rows'], dtype=torch.float64, requires_grad=True)
total = 0
for layers in given['members']:
    y = x
    for index, (weight, bias) in enumerate(layers):
        y = torch.nn.functional.linear(y, torch.tensor(weight, dtype=torch.float64), torch.tensor(bias, dtype=torch.float64))
        if index + 1 < len(layers):
            y = torch.relu(y)
    total = total + y
(given['mean'] + given['std'] * total / len(given['members'])).sum().backward()
print(json.dumps(x.grad.tolist()))
`;

describe.skipIf(python === undefined)("slopesModel beside PyTorch's autograd (needs PyTorch)", () => {
  it('gives its gradients, on a kink too', async () => {
    const rng = makeRng(31);
    const [features, count] = [60, 25];
    const sizes = [[], [40], [32, 24], [20, 16, 12]];
    const members = sizes.map((hidden, index) => randomMlp(rng, [features, ...hidden, 1], index !== 2));
    const ensemble = { members, mean: 0.9, std: 0.05 };
    const rows = randomRows(rng, count, features);
    rows.fill(0, 0, features); // the first row stands on every kink of the member without biases
    const cut = (data: ArrayLike<number>, width: number): number[][] =>
      Array.from({ length: data.length / width }, (_, row) =>
        Array.from({ length: width }, (__, at) => data[row * width + at]!),
      );
    const given = {
      mean: ensemble.mean,
      std: ensemble.std,
      rows: cut(rows, features),
      members: members.map(({ layers }) =>
        layers.map(({ weight, bias }) => [cut(weight.data, weight.dims[1]!), Array.from(bias.data)]),
      ),
    };
    const asked = spawnSync(python!, ['-c', AUTOGRAD], { input: JSON.stringify(given), encoding: 'utf8' });
    expect(asked.stderr).toBe('');
    const expected = (JSON.parse(asked.stdout) as number[][]).flat();
    const slopes = await slopesOf(ensemble, rows);
    const bounds = roundingBounds(ensemble);
    expect(slopes.length).toBe(expected.length);
    slopes.forEach((slope, at) => {
      expect(Math.abs(slope - expected[at]!), `value ${at}`).toBeLessThan(bounds[at % features]!);
    });
  });
});
