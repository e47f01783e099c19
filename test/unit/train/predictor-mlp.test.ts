import { beforeAll, describe, expect, it } from 'vitest';
import { kendallTau } from '../../../src/common/rank-correlation.js';
import { makeRng, type Rng } from '../../../src/common/rng.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { ensembleModel, type MlpEnsemble } from '../../../src/predictors/mlp-graph.js';
import { rmse } from '../../../src/predictors/quality.js';
import { createSession } from '../../../src/runtime/session.js';
import { floats } from '../../../src/tensor/tensor.js';
import { DEFAULT_MLP_OPTIONS, type RegressionData, trainMlp } from '../../../src/train/predictor/mlp.js';

const SLOTS = 10;
const CHOICES = 3;
const FEATURES = SLOTS * CHOICES;

/** One-hot choices whose value is a sum of effects plus products of neighboring ones, and noise. */
function syntheticData(rows: number, noise: number, effects: Rng, draws: Rng): RegressionData {
  const effect = Array.from({ length: FEATURES }, () => effects.normal());
  const inputs = new Float32Array(rows * FEATURES);
  const targets = Float64Array.from({ length: rows }, (_, row) => {
    const values = Array.from({ length: SLOTS }, (_, slot) => {
      const column = slot * CHOICES + draws.int(CHOICES);
      inputs[row * FEATURES + column] = 1;
      return effect[column]!;
    });
    const additive = values.reduce((sum, v) => sum + v, 0);
    const interaction = values.slice(1).reduce((sum, v, i) => sum + v * values[i]!, 0);
    return 0.9 + 0.004 * (additive + 0.5 * interaction + noise * draws.normal());
  });
  return { inputs, targets, features: FEATURES };
}

async function predict(ensemble: MlpEnsemble, data: RegressionData): Promise<Float32Array> {
  const session = await createSession(encodeModel(ensembleModel(ensemble)), { threads: 1, optimization: 'all' });
  const { top1 } = await session.run({ encoding: floats([data.targets.length, data.features], data.inputs) });
  await session.release();
  return top1!.data as Float32Array; // the model's only output is float32
}

/** The ensemble in float64, straight from the definition. */
function reference(ensemble: MlpEnsemble, input: readonly number[]): number {
  const outputs = ensemble.members.map(({ layers }) =>
    layers.reduce((x, { weight, bias }, l) => {
      const [outSize, inSize] = weight.dims as [number, number];
      const y = Array.from({ length: outSize }, (_, o) =>
        x.reduce((sum, v, i) => sum + v * weight.data[o * inSize + i]!, bias.data[o]!),
      );
      return l === layers.length - 1 ? y : y.map((v) => Math.max(0, v));
    }, input),
  );
  const mean = outputs.reduce((sum, y) => sum + y[0]!, 0) / outputs.length;
  return ensemble.mean + ensemble.std * mean;
}

const small = { ...DEFAULT_MLP_OPTIONS, hidden: [48, 48], members: 2, epochs: 40 };

describe('the accuracy predictor in training', () => {
  const train = syntheticData(1500, 0, makeRng(1), makeRng(2));
  const test = syntheticData(400, 0, makeRng(1), makeRng(3));
  let ensemble: MlpEnsemble;
  beforeAll(async () => {
    ensemble = await trainMlp(train, small);
  });

  it('learns effects and their interactions', async () => {
    const predicted = await predict(ensemble, test);
    const mean = test.targets.reduce((sum, t) => sum + t, 0) / test.targets.length;
    const spread = rmse(test.targets, new Float64Array(test.targets.length).fill(mean));
    expect(rmse(predicted, test.targets)).toBeLessThan(0.2 * spread);
    expect(kendallTau(predicted, test.targets)).toBeGreaterThan(0.88);
  });

  it('is the same function in ONNX Runtime and in float64 by hand', async () => {
    const predicted = await predict(ensemble, test);
    for (let row = 0; row < 20; row++) {
      const input = Array.from(test.inputs.subarray(row * FEATURES, (row + 1) * FEATURES));
      expect(predicted[row]).toBeCloseTo(reference(ensemble, input), 6);
    }
  });

  it('is a function of data, options and seed', async () => {
    const few = { ...train, inputs: train.inputs.slice(0, 100 * FEATURES), targets: train.targets.slice(0, 100) };
    const options = { ...small, hidden: [8], epochs: 3 };
    const a = await trainMlp(few, options);
    expect(await trainMlp(few, options)).toEqual(a);
    expect(await trainMlp(few, { ...options, seed: 2 })).not.toEqual(a);
  });

  it('stops when told to', async () => {
    const options = { ...small, hidden: [8] };
    await expect(trainMlp(train, options, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });

  it('copes with a constant target', async () => {
    const flat = { ...train, targets: new Float64Array(train.targets.length).fill(0.9) };
    const constant = await trainMlp(flat, { ...small, epochs: 10, members: 1 });
    for (const value of await predict(constant, flat)) expect(value).toBeCloseTo(0.9, 6);
  });
});
