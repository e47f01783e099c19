import { assertNever } from '../common/invariant.js';
import type { Rng } from '../common/rng.js';
import { maxArch } from '../space/arch.js';
import { lower } from '../space/lower.js';
import type { ConvLayer, LayerSpec, LinearLayer, SearchSpace, SqueezeExciteLayer } from '../space/types.js';
import { type FloatTensor, filled, floats, sizeOf } from '../tensor/tensor.js';

/** Standard deviation of the classifier's weights: small, so that the first predictions are close to uniform. */
const CLASSIFIER_STD = 0.01;

type Entry = readonly [name: string, tensor: FloatTensor];

function normalTensor(dims: readonly number[], std: number, rng: Rng): FloatTensor {
  const data = new Float32Array(sizeOf(dims));
  for (let i = 0; i < data.length; i++) data[i] = std * rng.normal();
  return floats(dims, data);
}

/** Standard deviation that keeps gradients' variance through a ReLU. Source: He et al. 2015, eq. 14 (fan-out). */
function heStd(fanOut: number): number {
  return Math.sqrt(2 / fanOut);
}

function identity(side: number): FloatTensor {
  const tensor = filled([side, side], 0);
  for (let i = 0; i < side; i++) tensor.data[i * side + i] = 1;
  return tensor;
}

/** Identity matrices between neighbouring kernel sizes, largest first: a smaller kernel starts as the centre of the larger one. */
function transformEntries(space: SearchSpace, layer: ConvLayer): Entry[] {
  if (!space.kernelTransform || layer.op !== 'depthwise' || layer.stageIndex === undefined) return [];
  const sizes = [...space.kernelSizes].sort((a, b) => b - a);
  return sizes.slice(1).map((size, i) => [`${layer.name}.transform${sizes[i]}to${size}`, identity(size * size)]);
}

function convEntries(space: SearchSpace, layer: ConvLayer, rng: Rng): Entry[] {
  const { name, inChannels, outChannels, kernel } = layer;
  const depthwise = layer.op === 'depthwise';
  const dims = [outChannels, depthwise ? 1 : inChannels, kernel, kernel];
  const fanOut = kernel * kernel * (depthwise ? 1 : outChannels);
  // A residual block starts as the identity: its branch's last scale is 0 (Goyal et al. 2017, section 5.1).
  const gamma = layer.addFrom === undefined ? 1 : 0;
  return [
    [`${name}.weight`, normalTensor(dims, heStd(fanOut), rng)],
    ...transformEntries(space, layer),
    [`${name}.bn.weight`, filled([outChannels], gamma)],
    [`${name}.bn.bias`, filled([outChannels], 0)],
  ];
}

function squeezeExciteEntries(layer: SqueezeExciteLayer, rng: Rng): Entry[] {
  const { name, midChannels: mid, inChannels: channels } = layer;
  return [
    [`${name}.reduce.weight`, normalTensor([mid, channels], heStd(mid), rng)],
    [`${name}.reduce.bias`, filled([mid], 0)],
    [`${name}.expand.weight`, normalTensor([channels, mid], heStd(channels), rng)],
    [`${name}.expand.bias`, filled([channels], 0)],
  ];
}

function linearEntries(layer: LinearLayer, rng: Rng): Entry[] {
  const { name, inChannels, outChannels } = layer;
  const std = layer.activation === 'none' ? CLASSIFIER_STD : heStd(outChannels);
  const weight: Entry = [`${name}.weight`, normalTensor([outChannels, inChannels], std, rng)];
  return layer.bias ? [weight, [`${name}.bias`, filled([outChannels], 0)]] : [weight];
}

function entriesOf(space: SearchSpace, layer: LayerSpec, rng: Rng): Entry[] {
  switch (layer.op) {
    case 'conv':
    case 'depthwise':
      return convEntries(space, layer, rng);
    case 'squeezeExcite':
      return squeezeExciteEntries(layer, rng);
    case 'linear':
      return linearEntries(layer, rng);
    case 'globalPool':
    case 'maxPool':
    case 'averagePool':
      return [];
    default:
      return assertNever(layer);
  }
}

/**
 * The starting weights of a supernet, at the largest shapes: He fan-out for convolutions and hidden linear layers, 0.01 for the classifier,
 * batch norm scale 1 (0 at the end of residual branches) and shift 0, identity kernel transforms, zero biases.
 * @param rng is not advanced; every layer draws from a fork by its name, so adding a layer leaves the others as they are
 * @returns tensors keyed as `SupernetTensors` documents
 */
export function initSupernet(space: SearchSpace, rng: Rng): Map<string, FloatTensor> {
  return initLayers(space, lower(space, maxArch(space)), rng);
}

/** The same for the layers of one network: each tensor in its layer's own shape. */
export function initLayers(space: SearchSpace, layers: readonly LayerSpec[], rng: Rng): Map<string, FloatTensor> {
  return new Map(layers.flatMap((layer) => entriesOf(space, layer, rng.fork(layer.name))));
}
