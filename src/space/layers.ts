import type {
  Activation,
  ConvLayer,
  GlobalPoolLayer,
  LinearLayer,
  SqueezeExciteLayer,
  WindowPoolLayer,
} from './types.js';

/** Channel counts are multiples of this, as vector units like them (Sandler et al. 2018). */
const CHANNEL_DIVISOR = 8;
/** Rounding may not take away more than a tenth of the channels. */
const MIN_KEPT_SHARE = 0.9;

/**
 * Rounds a channel count to the nearest multiple of 8 (halves up), at least 8 and at least 0.9 of the value.
 * Source: the published MobileNet code, `make_divisible`.
 */
export function makeDivisible(value: number): number {
  const nearest = Math.floor((value + CHANNEL_DIVISOR / 2) / CHANNEL_DIVISOR) * CHANNEL_DIVISOR;
  const rounded = Math.max(CHANNEL_DIVISOR, nearest);
  return rounded < MIN_KEPT_SHARE * value ? rounded + CHANNEL_DIVISOR : rounded;
}

/** Hidden channels of an inverted residual: input channels times the expand ratio, rounded as {@link makeDivisible} does. */
export function hiddenChannels(inChannels: number, expandRatio: number): number {
  return makeDivisible(Math.round(inChannels * expandRatio));
}

/** Hidden channels of a bottleneck: output channels times the expand ratio, a share, rounded as {@link makeDivisible} does. */
export function bottleneckChannels(outChannels: number, expandRatio: number): number {
  return makeDivisible(Math.round(outChannels * expandRatio));
}

/**
 * Side of a convolution's output, pixels, with padding `kernel // 2` (odd kernels): independent of the kernel. That of a max pool padded
 * so, and of an average pool whose last window may reach over the edge, is the same.
 */
function convOutSize(inSize: number, stride: number): number {
  return Math.floor((inSize - 1) / stride) + 1;
}

/** A feature map on its way through the network: who made it, and its shape [N, channels, size, size]. */
export interface FeatureMap {
  readonly name: string;
  readonly channels: number;
  readonly size: number;
}

/** The map a layer puts out. */
export function outputOf(layer: { name: string; outChannels: number; outSize: number }): FeatureMap {
  return { name: layer.name, channels: layer.outChannels, size: layer.outSize };
}

interface ConvChoice {
  readonly name: string;
  readonly op: 'conv' | 'depthwise';
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: 1 | 2;
  readonly activation: Activation;
  readonly addFrom?: string | undefined;
  readonly sumActivation?: Activation | undefined;
  readonly slot?: BlockPosition | undefined;
}

/** Where a block stands; absent for stem, fixed first block and head. */
export interface BlockPosition {
  readonly stageIndex: number;
  readonly blockIndex: number;
}

/** A convolution with its batch normalisation: no bias of its own, scale and shift counted in `params`, folded into a bias in `modelParams`. */
export function convLayer(from: FeatureMap, choice: ConvChoice): ConvLayer {
  const { name, op, outChannels, kernel, stride, activation, addFrom, sumActivation = 'none', slot } = choice;
  const outSize = convOutSize(from.size, stride);
  const inPerGroup = op === 'depthwise' ? 1 : from.channels;
  const weights = outChannels * inPerGroup * kernel * kernel;
  return {
    name,
    op,
    input: from.name,
    inChannels: from.channels,
    outChannels,
    inSize: from.size,
    outSize,
    kernel,
    stride,
    activation,
    ...(addFrom === undefined ? {} : { addFrom }),
    ...(sumActivation === 'none' ? {} : { sumActivation }),
    ...slot,
    macs: weights * outSize * outSize,
    params: weights + 2 * outChannels,
    modelParams: weights + outChannels,
  };
}

/** Middle channels of squeeze-excite: a quarter (the published reduction) of the channels it reads, rounded as {@link makeDivisible} does. */
export function squeezedChannels(channels: number): number {
  return makeDivisible(Math.floor(channels / 4));
}

/**
 * Squeeze-and-excite on a map; the middle has a quarter of the channels, rounded as {@link makeDivisible} does.
 * Source: Howard et al. 2019, section 5.3.
 */
export function squeezeExciteLayer(from: FeatureMap, name: string, slot?: BlockPosition): SqueezeExciteLayer {
  const midChannels = squeezedChannels(from.channels);
  const weights = 2 * from.channels * midChannels;
  const params = weights + midChannels + from.channels;
  return {
    name,
    op: 'squeezeExcite',
    input: from.name,
    inChannels: from.channels,
    outChannels: from.channels,
    inSize: from.size,
    outSize: from.size,
    midChannels,
    ...slot,
    macs: weights,
    params,
    modelParams: params,
  };
}

/** Global average pool: a map to a vector; costs no multiply-accumulates in this count. */
export function poolLayer(from: FeatureMap, name: string): GlobalPoolLayer {
  return { ...unchangedChannels(from, name), op: 'globalPool', outSize: 1 };
}

interface WindowPoolChoice {
  readonly name: string;
  readonly op: WindowPoolLayer['op'];
  readonly kernel: number;
  readonly stride: 1 | 2;
  readonly slot?: BlockPosition | undefined;
}

/** A pool over windows, a map to a map; it costs no multiply-accumulates in this count. */
export function windowPoolLayer(
  from: FeatureMap,
  { name, op, kernel, stride, slot }: WindowPoolChoice,
): WindowPoolLayer {
  const outSize = convOutSize(from.size, stride);
  return { ...unchangedChannels(from, name), op, kernel, stride, outSize, ...slot };
}

/** What pools have in common: channels stay, nothing is learned, nothing is multiplied. */
function unchangedChannels(from: FeatureMap, name: string): Omit<GlobalPoolLayer, 'op' | 'outSize'> {
  return {
    name,
    input: from.name,
    inChannels: from.channels,
    outChannels: from.channels,
    inSize: from.size,
    macs: 0,
    params: 0,
    modelParams: 0,
  };
}

/** A fully connected layer on a pooled vector. */
export function linearLayer(
  from: FeatureMap,
  choice: {
    readonly name: string;
    readonly outChannels: number;
    readonly bias: boolean;
    readonly activation: Activation;
  },
): LinearLayer {
  const weights = from.channels * choice.outChannels;
  const params = weights + (choice.bias ? choice.outChannels : 0);
  return {
    ...choice,
    op: 'linear',
    input: from.name,
    inChannels: from.channels,
    inSize: 1,
    outSize: 1,
    macs: weights,
    params,
    modelParams: params,
  };
}
