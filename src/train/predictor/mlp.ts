import { invariant } from '../../common/invariant.js';
import { makeRng, type Rng, shuffled } from '../../common/rng.js';
import { breathe, throwIfAborted, type WorkOptions } from '../../common/work.js';
import type { Mlp, MlpEnsemble } from '../../predictors/mlp-graph.js';
import { floats } from '../../tensor/tensor.js';

/** Rows of features with one target each. */
export interface RegressionData {
  /** Row-major `[rows, features]`. */
  readonly inputs: Float32Array;
  readonly targets: Float64Array;
  readonly features: number;
}

export interface MlpOptions {
  readonly hidden: readonly number[];
  /** MLPs that differ in their start and the order of their batches; their mean is the prediction. */
  readonly members: number;
  readonly epochs: number;
  readonly batch: number;
  /** Peak of the cosine schedule; Adam's step size. */
  readonly learningRate: number;
  /** Decoupled, of weights alone, as a share of the learning rate per step. */
  readonly weightDecay: number;
  readonly seed: number;
}

export const DEFAULT_MLP_OPTIONS: MlpOptions = {
  hidden: [128, 128],
  members: 4,
  epochs: 50,
  batch: 64,
  learningRate: 2e-3,
  weightDecay: 0.1,
  seed: 1,
};

/** A layer in training; mutable. Weights are input-major `[in, out]`, so that every inner loop runs along memory. */
interface TrainingLayer {
  readonly inSize: number;
  readonly outSize: number;
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly output: Float64Array;
  readonly delta: Float64Array;
}

/** Values with Adam's moments and the current gradient; mutable. */
interface Parameter {
  readonly value: Float64Array;
  readonly gradient: Float64Array;
  readonly first: Float64Array;
  readonly second: Float64Array;
}

const zeros = (size: number): Parameter => ({
  value: new Float64Array(size),
  gradient: new Float64Array(size),
  first: new Float64Array(size),
  second: new Float64Array(size),
});

function makeLayer(inSize: number, outSize: number, rng: Rng): TrainingLayer {
  const weight = zeros(inSize * outSize);
  // He initialisation for ReLU (He et al. 2015).
  const std = Math.sqrt(2 / inSize);
  for (let i = 0; i < weight.value.length; i++) weight.value[i] = std * rng.normal();
  const bias = zeros(outSize);
  return { inSize, outSize, weight, bias, output: new Float64Array(outSize), delta: new Float64Array(outSize) };
}

/** y = relu?(x W + b); zero inputs (one-hot encodings, dead ReLUs) cost nothing. */
function forwardLayer(layer: TrainingLayer, input: ArrayLike<number>, offset: number, rectify: boolean): void {
  const { inSize, outSize, output } = layer;
  const w = layer.weight.value;
  output.set(layer.bias.value);
  for (let i = 0; i < inSize; i++) {
    const x = input[offset + i]!;
    if (x === 0) continue;
    const row = i * outSize;
    for (let j = 0; j < outSize; j++) output[j]! += x * w[row + j]!;
  }
  if (rectify) for (let j = 0; j < outSize; j++) if (output[j]! < 0) output[j] = 0;
}

/** Adds the layer's gradients for one row; writes the derivative by the input into `inputDelta` where one is given. */
function backwardLayer(
  layer: TrainingLayer,
  input: ArrayLike<number>,
  offset: number,
  inputDelta: Float64Array | undefined,
): void {
  const { inSize, outSize, delta } = layer;
  const w = layer.weight.value;
  const g = layer.weight.gradient;
  const bias = layer.bias.gradient;
  for (let j = 0; j < outSize; j++) bias[j]! += delta[j]!;
  for (let i = 0; i < inSize; i++) {
    const x = input[offset + i]!;
    // Where x = 0, the weight's gradient is 0, and so is that of a ReLU's input (of no use for the network's own input).
    if (x === 0) {
      if (inputDelta !== undefined) inputDelta[i] = 0;
      continue;
    }
    const row = i * outSize;
    let sum = 0;
    for (let j = 0; j < outSize; j++) {
      g[row + j]! += x * delta[j]!;
      sum += w[row + j]! * delta[j]!;
    }
    if (inputDelta !== undefined) inputDelta[i] = sum;
  }
}

/** Forward and backward of one row; the loss is half the squared error, its gradient scaled by `weight`. */
function learnRow(layers: readonly TrainingLayer[], data: RegressionData, row: number, weight: number): void {
  const offset = row * data.features;
  layers.forEach((layer, k) => {
    if (k === 0) forwardLayer(layer, data.inputs, offset, layers.length > 1);
    else forwardLayer(layer, layers[k - 1]!.output, 0, k < layers.length - 1);
  });
  const last = layers.at(-1)!; // made with at least the output layer
  last.delta[0] = weight * (last.output[0]! - data.targets[row]!);
  for (let k = layers.length - 1; k >= 0; k--) {
    const below = layers[k - 1];
    if (below === undefined) backwardLayer(layers[k]!, data.inputs, offset, undefined);
    else backwardLayer(layers[k]!, below.output, 0, below.delta);
  }
}

const BETA1 = 0.9;
const BETA2 = 0.999;

/** One step of Adam with decoupled weight decay; clears the gradient. Source: Kingma & Ba 2015; Loshchilov & Hutter 2019 */
function adamStep(parameter: Parameter, step: number, learningRate: number, decay: number): void {
  const { value, gradient, first, second } = parameter;
  const correct1 = 1 - BETA1 ** step;
  const correct2 = 1 - BETA2 ** step;
  for (let i = 0; i < value.length; i++) {
    const g = gradient[i]!;
    const m = BETA1 * first[i]! + (1 - BETA1) * g;
    const v = BETA2 * second[i]! + (1 - BETA2) * g * g;
    first[i] = m;
    second[i] = v;
    value[i]! -= learningRate * (m / correct1 / (Math.sqrt(v / correct2) + 1e-8) + decay * value[i]!);
  }
  gradient.fill(0);
}

/** The trained layers as records: weights `[out, in]`, float32. */
function toMlp(layers: readonly TrainingLayer[]): Mlp {
  return {
    layers: layers.map(({ inSize, outSize, weight, bias }) => {
      const transposed = new Float32Array(inSize * outSize);
      for (let i = 0; i < inSize; i++)
        for (let j = 0; j < outSize; j++) transposed[j * inSize + i] = weight.value[i * outSize + j]!;
      return { weight: floats([outSize, inSize], transposed), bias: floats([outSize], Float32Array.from(bias.value)) };
    }),
  };
}

/** Mean and standard deviation; not 0, so that equal targets are predicted exactly. */
function spreadOf(targets: Float64Array): { readonly mean: number; readonly std: number } {
  const mean = targets.reduce((sum, t) => sum + t, 0) / targets.length;
  const variance = targets.reduce((sum, t) => sum + (t - mean) ** 2, 0) / targets.length;
  return { mean, std: Math.max(Math.sqrt(variance), 1e-12) };
}

/** Trains one member on standardized targets. */
async function trainMember(data: RegressionData, options: MlpOptions, rng: Rng, onEpoch: () => void): Promise<Mlp> {
  const sizes = [data.features, ...options.hidden, 1];
  const layers = sizes.slice(1).map((size, i) => makeLayer(sizes[i]!, size, rng.fork(`layer ${i}`)));
  const rows = Array.from(data.targets, (_, i) => i);
  const batches = Math.ceil(rows.length / options.batch);
  let step = 0;
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    const order = shuffled(rows, rng);
    for (let start = 0; start < order.length; start += options.batch) {
      const batch = order.slice(start, start + options.batch);
      for (const row of batch) learnRow(layers, data, row, 1 / batch.length);
      const learningRate = (options.learningRate / 2) * (1 + Math.cos((Math.PI * step) / (batches * options.epochs)));
      step++;
      for (const layer of layers) {
        adamStep(layer.weight, step, learningRate, options.weightDecay);
        adamStep(layer.bias, step, learningRate, 0);
      }
    }
    onEpoch();
    await breathe();
  }
  return toMlp(layers);
}

/**
 * Trains an ensemble of MLPs on squared error, in float64, with standardized targets: the same data, options and seed give the same
 * weights on every machine with IEEE arithmetic and the same `Math` functions.
 * @param data at least one row
 */
export async function trainMlp(
  data: RegressionData,
  options: MlpOptions,
  work: WorkOptions = {},
): Promise<MlpEnsemble> {
  const rows = data.targets.length;
  invariant(
    rows > 0 && data.inputs.length === rows * data.features,
    () => `${rows} targets, ${data.inputs.length} input values`,
  );
  const { mean, std } = spreadOf(data.targets);
  const standardized = { ...data, targets: data.targets.map((target) => (target - mean) / std) };
  const total = options.members * options.epochs;
  let done = 0;
  const onEpoch = (): void => {
    throwIfAborted(work.signal);
    work.onProgress?.({ done: ++done, total });
  };
  const members: Mlp[] = [];
  for (let i = 0; i < options.members; i++) {
    members.push(await trainMember(standardized, options, makeRng(options.seed).fork(`member ${i}`), onEpoch));
  }
  return { members, mean, std };
}
