import { invariant } from '../../common/invariant.js';
import { floatList, int, ints, text } from '../../onnx/builder.js';
import type { Attribute } from '../../onnx/ir.js';
import {
  type Emitter,
  emit,
  imageDims,
  matrixDims,
  reshape,
  sameDims,
  sharedTerm,
  showDims,
  type Term,
} from '../term.js';
import { gather, transpose } from './standard.js';

/** ONNX Runtime's internal domain of blocked operators; they are what its own graph optimizer rewrites convolutions to. */
const NCHWC = 'com.microsoft.nchwc';

/** An activation that the blocked convolution applies to its result. */
export type FusedActivation =
  | { readonly kind: 'Relu' }
  | { readonly kind: 'Clip'; readonly low: number; readonly high: number }
  | { readonly kind: 'HardSigmoid'; readonly alpha: number; readonly beta: number };

/** Block size of the lowering. @throws InvariantError for `standard` */
export function blockOf(e: Emitter): number {
  invariant(e.lowering.kind === 'nchwc', () => 'the standard lowering has no blocked layout');
  return e.lowering.block;
}

/** Whether images of all these channel counts can be kept blocked. */
export function canBlock(e: Emitter, ...channels: readonly number[]): boolean {
  const { lowering } = e;
  return lowering.kind === 'nchwc' && channels.every((count) => count > 0 && count % lowering.block === 0);
}

function assertBlocked(x: Term): void {
  invariant(x.layout === 'blocked', () => `the image ${showDims(x.dims)} "${x.value}" is not blocked`);
}

/** Row-major image -> blocked image. */
export function toBlocked(e: Emitter, x: Term): Term {
  if (x.layout === 'blocked') return x;
  return sharedTerm(e, `blocked ${x.value}`, () =>
    emit(e, 'ReorderInput', [x], { dims: x.dims, layout: 'blocked', domain: NCHWC }),
  );
}

/** Blocked image -> row-major image. */
export function toPlain(e: Emitter, x: Term): Term {
  if (x.layout === 'plain') return x;
  const [, channels] = imageDims(x);
  return sharedTerm(e, `plain ${x.value}`, () =>
    emit(e, 'ReorderOutput', [x], { dims: x.dims, domain: NCHWC, attributes: { channels: int(channels) } }),
  );
}

/** Blocked image `[N, C, H, W]` -> row-major `[N, H * W, C]`. */
export function toChannelsLast(e: Emitter, x: Term): Term {
  const [n, c, h, w] = imageDims(x);
  assertBlocked(x);
  const attributes = { channels: int(c), channels_last: int(1) };
  return sharedTerm(e, `channels last ${x.value}`, () => {
    const last = emit(e, 'ReorderOutput', [x], { dims: [n, h, w, c], domain: NCHWC, attributes });
    return reshape(e, last, [n, h * w, c]);
  });
}

/** The memory of a blocked image as a plain term `[N, C / block, H * W, block]`. */
export function asBlocks(e: Emitter, x: Term): Term {
  const [n, c, h, w] = imageDims(x);
  const block = blockOf(e);
  assertBlocked(x);
  return reshape(e, x, [n, c / block, h * w, block]);
}

/** How a blocked convolution is to be done; defaults: one group, stride 1, no dilation, no padding. */
export interface BlockedConv {
  /** Weights already in blocked order, logical dims `[out, in / group, kH, kW]`. */
  readonly weight: Term;
  readonly bias?: Term;
  /** Blocked image of the result's dims, added before the activation. */
  readonly sum?: Term;
  readonly group?: number;
  readonly stride?: number;
  readonly dilation?: number;
  /** Rows and columns of zeros: [top, left, bottom, right]. */
  readonly pads?: readonly [number, number, number, number];
  readonly activation?: FusedActivation | undefined;
}

function activationAttributes(activation: FusedActivation | undefined): Record<string, Attribute> {
  switch (activation?.kind) {
    case undefined:
      return {};
    case 'Relu':
      return { activation: text('Relu') };
    case 'Clip':
      return { activation: text('Clip'), activation_params: floatList([activation.low, activation.high]) };
    case 'HardSigmoid':
      return { activation: text('HardSigmoid'), activation_params: floatList([activation.alpha, activation.beta]) };
  }
}

/**
 * Convolution with a blocked result: activation(conv(x, weight) + bias + sum). The weights may be any value of the graph.
 * Source: ONNX Runtime com.microsoft.nchwc.Conv (onnxruntime/core/graph/contrib_ops/nchwc_schema_defs.cc).
 */
export function blockedConv(e: Emitter, x: Term, how: BlockedConv): Term {
  const [n, , h, w] = imageDims(x);
  const [out, , kernelHeight, kernelWidth] = imageDims(how.weight);
  const stride = how.stride ?? 1;
  const dilation = how.dilation ?? 1;
  const pads = how.pads ?? [0, 0, 0, 0];
  const outSize = (size: number, kernel: number, padding: number): number =>
    Math.floor((size + padding - dilation * (kernel - 1) - 1) / stride) + 1;
  const dims = [n, out, outSize(h, kernelHeight, pads[0] + pads[2]), outSize(w, kernelWidth, pads[1] + pads[3])];
  const sumFits = how.sum === undefined || (how.sum.layout === 'blocked' && sameDims(how.sum.dims, dims));
  invariant(sumFits, () => `a sum ${showDims(how.sum?.dims ?? [])} for a result ${showDims(dims)}`);
  invariant(how.weight.layout === 'blocked', () => `weights ${showDims(how.weight.dims)} are not in blocked order`);
  const attributes = {
    group: int(how.group ?? 1),
    kernel_shape: ints([kernelHeight, kernelWidth]),
    strides: ints([stride, stride]),
    dilations: ints([dilation, dilation]),
    pads: ints(pads),
    ...activationAttributes(how.activation),
  };
  const inputs = [x, how.weight, how.bias, how.sum];
  while (inputs.at(-1) === undefined) inputs.pop();
  return emit(e, 'Conv', inputs, { dims, layout: 'blocked', domain: NCHWC, attributes });
}

/** Mean over each map of a blocked image: `[N, C, H, W]` -> `[N, C, 1, 1]`, which is the same memory in both layouts. */
export function blockedPool(e: Emitter, x: Term): Term {
  const [n, c] = imageDims(x);
  assertBlocked(x);
  return emit(e, 'GlobalAveragePool', [x], { dims: [n, c, 1, 1], domain: NCHWC });
}

/**
 * Depthwise weights `[C, 1, k, k]` in blocked order (`[C / block, k, k, block]` in memory), optionally turned by 180 degrees.
 */
export function blockDepthwise(e: Emitter, weight: Term, turned = false): Term {
  const [c, , kernelHeight, kernelWidth] = imageDims(weight);
  const block = blockOf(e);
  const taps = kernelHeight * kernelWidth;
  const split = transpose(e, reshape(e, weight, [c / block, block, taps]), [0, 2, 1]);
  const reversed = Array.from({ length: taps }, (_, tap) => taps - 1 - tap);
  return reshape(e, turned ? gather(e, split, reversed, 1) : split, weight.dims, 'blocked');
}

/** A matrix `[out, in]` as the weights of a blocked 1x1 convolution (`[out / block, in / block, in block, out block]`). */
export function blockPointwise(e: Emitter, weight: Term): Term {
  const [out, inputs] = matrixDims(weight);
  const block = blockOf(e);
  const split = reshape(e, weight, [out / block, block, inputs / block, block]);
  return reshape(e, transpose(e, split, [0, 2, 3, 1]), [out, inputs, 1, 1], 'blocked');
}

/** As {@link blockPointwise} for the transposed matrix: `[out, in]` -> weights that map `out` channels to `in` channels. */
export function blockPointwiseTransposed(e: Emitter, weight: Term): Term {
  const [out, inputs] = matrixDims(weight);
  const block = blockOf(e);
  const split = reshape(e, weight, [out / block, block, inputs / block, block]);
  return reshape(e, transpose(e, split, [2, 0, 1, 3]), [inputs, out, 1, 1], 'blocked');
}

/** Dense weights `[out, in, k, k]` for a convolution that reads a row-major image of fewer than `block` channels. */
export function blockOutputs(e: Emitter, weight: Term): Term {
  const [out, inputs, kernelHeight, kernelWidth] = imageDims(weight);
  const block = blockOf(e);
  invariant(out % block === 0 && inputs < block, () => `weights ${showDims(weight.dims)} do not fit block ${block}`);
  const split = reshape(e, weight, [out / block, block, inputs * kernelHeight * kernelWidth]);
  return reshape(e, transpose(e, split, [0, 2, 1]), weight.dims, 'blocked');
}
