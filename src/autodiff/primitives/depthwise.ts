import { int, ints } from '../../onnx/builder.js';
import { type Emitter, emit, imageDims, reshape, sharedTerm, type Term } from '../term.js';
import { groupPerMap } from './channels.js';
import { inLayout } from './layout.js';
import { blockDepthwise, blockedConv, blockOf, canBlock } from './nchwc.js';
import { gather, pad, sumOver, transpose } from './standard.js';

/** Stride and zero padding on every side of a square-kernel convolution. */
export interface Sliding {
  readonly stride: number;
  readonly padding: number;
}

interface ConvShape {
  readonly group: number;
  readonly kernel: number;
  /** Zeros before and behind, in both directions. */
  readonly before: number;
  readonly after: number;
  readonly stride?: number;
  readonly dilation?: number;
}

/** Attributes of a standard Conv. */
function convAttributes({ group, kernel, before, after, stride = 1, dilation = 1 }: ConvShape) {
  return {
    group: int(group),
    kernel_shape: ints([kernel, kernel]),
    strides: ints([stride, stride]),
    dilations: ints([dilation, dilation]),
    pads: ints([before, before, after, after]),
  };
}

/** Side of the result of a convolution. */
export const slidSize = (size: number, kernel: number, { stride, padding }: Sliding): number =>
  Math.floor((size + 2 * padding - kernel) / stride) + 1;

/** Depthwise convolution of `[N, C, H, W]` with `[C, 1, k, k]`. */
export function depthwiseConv(e: Emitter, x: Term, weight: Term, sliding: Sliding): Term {
  const [n, c, h, w] = imageDims(x);
  const [, , kernel] = imageDims(weight);
  const { stride, padding } = sliding;
  if (canBlock(e, c)) {
    const blocked = inLayout(e, x, 'blocked');
    const how = { weight: blockDepthwise(e, weight), group: c, stride };
    if (widensInput(kernel, sliding)) {
      const wide = widen(e, blocked, padding, padding);
      return blockedConv(e, wide, { ...how, pads: [padding, 0, padding, 0] });
    }
    return blockedConv(e, blocked, { ...how, pads: [padding, padding, padding, padding] });
  }
  const dims = [n, c, slidSize(h, kernel, sliding), slidSize(w, kernel, sliding)];
  const attributes = convAttributes({ group: c, kernel, before: padding, after: padding, stride });
  return emit(e, 'Conv', [inLayout(e, x, 'plain'), weight], { dims, attributes });
}

/**
 * Whether an image is given columns of zeros before it is convolved forward and for the weights' gradient. The blocked convolution computes outputs
 * that reach over the left or right edge one at a time, several times slower than those inside; rows above and below it leaves out at no cost.
 * Measured at 7 to 28 pixels: for kernels of 5 and 7 the one copy saves more than it costs, for 3 and with a stride it does not.
 */
const widensInput = (kernel: number, { stride }: Sliding): boolean => stride === 1 && kernel >= 5;

/** As {@link widensInput} for the one convolution of a gradient: where most outputs of a large kernel reach over an edge. */
const widensGradient = (kernel: number, size: number): boolean => (kernel - 1) ** 2 >= 3 * size;

/** A blocked image with columns of zeros at its left and right: `[N, C, H, W]` -> `[N, C, H, left + W + right]`; emitted once. */
function widen(e: Emitter, x: Term, left: number, right: number): Term {
  const [n, c, h, w] = imageDims(x);
  const block = blockOf(e);
  return sharedTerm(e, `widened ${left} ${right} ${x.value}`, () => {
    const rows = reshape(e, x, [(n * c * h) / block, w * block]);
    return reshape(e, pad(e, rows, [0, left * block], [0, right * block]), [n, c, h, left + w + right], 'blocked');
  });
}

/**
 * The gradient for x: dy, spread to the input's grid with zeros between (stride 2), convolved with the kernel turned by 180 degrees.
 * With q = k - 1 - padding zeros before, dx[i] = sum over t of up[i + t - q] * w[k - 1 - t].
 */
export function depthwiseInputGradient(e: Emitter, dy: Term, weight: Term, sliding: Sliding & { size: number }): Term {
  const [n, c] = imageDims(dy);
  const [, , kernel] = imageDims(weight);
  const { size, stride, padding } = sliding;
  const blocked = canBlock(e, c);
  const spread = spreadPixels(e, inLayout(e, dy, blocked ? 'blocked' : 'plain'), stride);
  const [, , spreadSize] = imageDims(spread);
  const before = kernel - 1 - padding;
  const after = size - spreadSize - before + kernel - 1;
  if (blocked) {
    const how = { weight: blockDepthwise(e, weight, true), group: c };
    if (widensGradient(kernel, size) && stride === 1) {
      return blockedConv(e, widen(e, spread, before, after), { ...how, pads: [before, 0, after, 0] });
    }
    return blockedConv(e, spread, { ...how, pads: [before, before, after, after] });
  }
  const taps = kernel * kernel;
  const reversed = Array.from({ length: taps }, (_, tap) => taps - 1 - tap);
  const turned = reshape(e, gather(e, reshape(e, weight, [c, taps]), reversed, 1), weight.dims);
  const attributes = convAttributes({ group: c, kernel, before, after });
  return emit(e, 'Conv', [spread, turned], { dims: [n, c, size, size], attributes });
}

/** Puts stride - 1 zeros behind every pixel in both directions: `[N, C, H, W]` -> `[N, C, stride * H, stride * W]`. */
function spreadPixels(e: Emitter, x: Term, stride: number): Term {
  if (stride === 1) return x;
  const [n, c, h, w] = imageDims(x);
  const cell = x.layout === 'blocked' ? blockOf(e) : 1;
  // A row of pixels becomes itself and rows of zeros; a pixel (a block of channels, if blocked) becomes itself and zeros.
  const rows = reshape(e, x, [(n * c * h) / cell, 1, w, cell]);
  const padded = pad(e, rows, [0, 0, 0, 0], [0, stride - 1, 0, (stride - 1) * cell]);
  return reshape(e, padded, [n, c, stride * h, stride * w], x.layout);
}

/**
 * The gradient for the weights: x convolved with dy as its kernel, one group per map; dilation is the stride.
 * dw[c, t] = sum over n, o of dy[n, c, o] * x[n, c, stride * o + t - padding].
 */
export function depthwiseWeightGradient(e: Emitter, x: Term, dy: Term, how: Sliding & { kernel: number }): Term {
  const [n, c, h] = imageDims(x);
  const [, , outSize] = imageDims(dy);
  const { kernel, stride, padding } = how;
  const taps = kernel * kernel;
  const after = (outSize - 1) * stride + kernel - padding - h;
  if (canBlock(e, c)) {
    const block = blockOf(e);
    const weight = reshape(e, inLayout(e, dy, 'blocked'), [n * c, 1, outSize, outSize], 'blocked');
    const isWide = widensInput(kernel, how);
    const image = inLayout(e, x, 'blocked');
    const maps = groupPerMap(e, isWide ? widen(e, image, padding, after) : image);
    const pads = isWide ? ([padding, 0, after, 0] as const) : ([padding, padding, after, after] as const);
    const perMap = blockedConv(e, maps, { weight, group: n * c, dilation: stride, pads });
    const summed = sumOver(e, reshape(e, perMap, [n, c / block, taps, block]), [0]);
    return reshape(e, transpose(e, summed, [0, 2, 1]), [c, 1, kernel, kernel]);
  }
  const maps = reshape(e, inLayout(e, x, 'plain'), [1, n * c, h, h]);
  const weight = reshape(e, inLayout(e, dy, 'plain'), [n * c, 1, outSize, outSize]);
  const attributes = convAttributes({ group: n * c, kernel: outSize, before: padding, after, dilation: stride });
  const perMap = emit(e, 'Conv', [maps, weight], { dims: [1, n * c, kernel, kernel], attributes });
  return reshape(e, sumOver(e, reshape(e, perMap, [n, c, taps]), [0]), [c, 1, kernel, kernel]);
}
