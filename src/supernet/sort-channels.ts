import { invariant } from '../common/invariant.js';
import { maxArch } from '../space/arch.js';
import { bottleneckChannels, hiddenChannels, squeezedChannels } from '../space/layers.js';
import { lower } from '../space/lower.js';
import type { LayerSpec, SearchSpace } from '../space/types.js';
import { type FloatTensor, floats, sizeOf } from '../tensor/tensor.js';
import type { SupernetTensors } from './types.js';

/** A new order of a tensor's entries along one of its dimensions: place i takes what was at `order[i]`. */
interface Reordering {
  readonly axis: number;
  readonly order: Int32Array;
}

/** What sorting does to each tensor that it touches, by key; a tensor may be reordered along several dimensions. */
export type ChannelSort = ReadonlyMap<string, readonly Reordering[]>;

/** L1 norm of the weights that read each input channel of a `[out, in, ...]` weight, in float32 as the published code sums. */
function inputNorms({ dims, data }: FloatTensor): Float32Array {
  const [rows = 0, channels = 0] = dims;
  const run = sizeOf(dims.slice(2));
  const norms = new Float32Array(channels);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < channels; c++) {
      const start = (row * channels + c) * run;
      for (let i = start; i < start + run; i++) norms[c] = norms[c]! + Math.abs(data[i]!);
    }
  }
  return norms;
}

/** Indices by falling importance within each of the ranges that widths cut, ranges in their order; equals keep their places. */
function orderWithin(importance: Float32Array, widths: readonly number[]): Int32Array {
  const ends = [...widths, importance.length].sort((a, b) => a - b);
  const rangeOf = (channel: number): number => ends.findIndex((end) => channel < end);
  const channels = Array.from(importance, (_, channel) => channel);
  channels.sort((a, b) => rangeOf(a) - rangeOf(b) || importance[b]! - importance[a]! || a - b);
  return Int32Array.from(channels);
}

/** Collects reorderings: every tensor with a channel of the block's hidden width along some dimension. */
class SortPlan {
  readonly #reorderings = new Map<string, Reordering[]>();

  /** `targets`: keys with the dimension that is reordered. */
  add(order: Int32Array, targets: Readonly<Record<string, number>>): void {
    for (const [key, axis] of Object.entries(targets)) {
      this.#reorderings.set(key, [...(this.#reorderings.get(key) ?? []), { axis, order }]);
    }
  }

  get reorderings(): ChannelSort {
    return this.#reorderings;
  }
}

const BN_PARTS = ['bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var'] as const;

function normalized(layer: string): Record<string, number> {
  return Object.fromEntries(['weight', ...BN_PARTS].map((part) => [`${layer}.${part}`, 0]));
}

interface Sorting {
  readonly plan: SortPlan;
  readonly layers: readonly LayerSpec[];
  readonly opened: readonly number[];
  readonly tensorOf: (key: string) => FloatTensor;
}

/** Sorts an inverted residual's hidden channels by what its projection reads, and squeeze-excite's middle by what its excitation reads. */
function sortInvertedResidual({ plan, layers, opened, tensorOf }: Sorting, expand: LayerSpec): void {
  const block = expand.name.slice(0, -'.expand'.length);
  const widths = opened.map((ratio) => hiddenChannels(expand.inChannels, ratio));
  const order = orderWithin(inputNorms(tensorOf(`${block}.project.weight`)), widths);
  const project = { [`${block}.project.weight`]: 1 };
  plan.add(order, { ...normalized(`${block}.expand`), ...normalized(`${block}.depthwise`), ...project });
  const se = `${block}.se`;
  if (!layers.some(({ name }) => name === se)) return;
  plan.add(order, { [`${se}.reduce.weight`]: 1, [`${se}.expand.weight`]: 0, [`${se}.expand.bias`]: 0 });
  const middle = orderWithin(inputNorms(tensorOf(`${se}.expand.weight`)), widths.map(squeezedChannels));
  plan.add(middle, { [`${se}.reduce.weight`]: 0, [`${se}.reduce.bias`]: 0, [`${se}.expand.weight`]: 1 });
}

/** Sorts what a bottleneck's convolutions hand on: the second's output by what the third reads, the first's by what the second reads. */
function sortBottleneck({ plan, opened, tensorOf }: Sorting, last: LayerSpec): void {
  const block = last.name.slice(0, -'.conv3'.length);
  const widths = opened.map((ratio) => bottleneckChannels(last.outChannels, ratio));
  for (const [from, to] of [
    ['conv2', 'conv3'],
    ['conv1', 'conv2'],
  ] as const) {
    const order = orderWithin(inputNorms(tensorOf(`${block}.${to}.weight`)), widths);
    plan.add(order, { ...normalized(`${block}.${from}`), [`${block}.${to}.weight`]: 1 });
  }
}

/**
 * Plans the sorting of the hidden channels of every elastic block by importance, the L1 norm of the weights that read them, and of
 * squeeze-excite's middle channels likewise, so that narrower networks keep the important ones.
 * The function of every network that was possible so far stays as it is. Widths between blocks are not sorted.
 * @param tensors of the space's largest shapes
 * @param opened expand ratios that networks were trained with so far; channels stay inside the ranges between their widths
 * Source: Cai et al. 2020, section 3.3 (elastic width); OFA `re_organize_middle_weights`, whose penalties keep the same ranges
 */
export function planChannelSort(space: SearchSpace, tensors: SupernetTensors, opened: readonly number[]): ChannelSort {
  const plan = new SortPlan();
  const layers = lower(space, maxArch(space));
  const tensorOf = (key: string): FloatTensor => {
    const tensor = tensors.get(key);
    invariant(tensor !== undefined, () => `the supernet has no tensor "${key}"`);
    return tensor;
  };
  const sorting = { plan, layers, opened, tensorOf };
  for (const layer of layers) {
    if (layer.stageIndex === undefined) continue;
    if (layer.name.endsWith('.expand')) sortInvertedResidual(sorting, layer);
    if (layer.name.endsWith('.conv3')) sortBottleneck(sorting, layer);
  }
  return plan.reorderings;
}

function reordered({ dims, data }: FloatTensor, { axis, order }: Reordering): FloatTensor {
  const size = dims[axis]!;
  invariant(
    order.length === size,
    () => `an order of ${order.length} channels for dimension ${axis} of [${dims.join(', ')}]`,
  );
  const run = sizeOf(dims.slice(axis + 1));
  const out = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += size * run) {
    for (let i = 0; i < size; i++) {
      const from = start + order[i]! * run;
      out.set(data.subarray(from, from + run), start + i * run);
    }
  }
  return floats(dims, out);
}

/**
 * Applies a planned sorting to tensors of the supernet's names and shapes: its weights, or what an optimizer keeps beside them.
 * @returns new tensors where something moved, the given ones elsewhere, in the given order
 */
export function applyChannelSort(sort: ChannelSort, tensors: SupernetTensors): Map<string, FloatTensor> {
  return new Map([...tensors].map(([key, tensor]) => [key, (sort.get(key) ?? []).reduce(reordered, tensor)]));
}
