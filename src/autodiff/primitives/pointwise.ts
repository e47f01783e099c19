import { type Emitter, emit, imageDims, matrixDims, reshape, type Term } from '../term.js';
import { activate, fusedActivation, type TapeActivation } from './activation.js';
import { inLayout } from './layout.js';
import {
  asBlocks,
  blockedConv,
  blockPointwise,
  blockPointwiseTransposed,
  canBlock,
  toChannelsLast,
  toPlain,
} from './nchwc.js';
import { add, batchedMatMul, scaleBy, sumOver, transpose } from './standard.js';

/** What follows a 1x1 convolution: activation(conv + bias + sum). */
export interface PointwiseTail {
  /** `[out]` */
  readonly bias?: Term;
  /** An image like the result. */
  readonly sum?: Term;
  readonly activation?: TapeActivation;
}

/** 1x1 convolution of `[N, in, H, W]` with a matrix `[out, in]`. Blocked where both channel counts allow it. */
export function pointwiseConv(e: Emitter, x: Term, weight: Term, tail: PointwiseTail = {}): Term {
  const [out, inputs] = matrixDims(weight);
  if (canBlock(e, out, inputs)) return blockedPointwise(e, x, blockPointwise(e, weight), tail);
  return plainPointwise(e, x, weight, tail);
}

/** The transposed map, `[N, out, H, W]` -> `[N, in, H, W]`: what carries gradients back through {@link pointwiseConv}. */
export function pointwiseConvTransposed(e: Emitter, dy: Term, weight: Term, tail: PointwiseTail = {}): Term {
  const [out, inputs] = matrixDims(weight);
  if (canBlock(e, out, inputs)) return blockedPointwise(e, dy, blockPointwiseTransposed(e, weight), tail);
  return plainPointwise(e, dy, transpose(e, weight, [1, 0]), tail);
}

function blockedPointwise(e: Emitter, x: Term, weight: Term, tail: PointwiseTail): Term {
  const { activation = 'none', bias, sum } = tail;
  const fused = fusedActivation(activation);
  const y = blockedConv(e, inLayout(e, x, 'blocked'), {
    weight,
    activation: fused,
    ...(bias === undefined ? {} : { bias }),
    ...(sum === undefined ? {} : { sum: inLayout(e, sum, 'blocked') }),
  });
  return fused === undefined ? activate(e, y, activation) : y;
}

function plainPointwise(e: Emitter, x: Term, weight: Term, { bias, sum, activation = 'none' }: PointwiseTail): Term {
  const [n, , h, w] = imageDims(x);
  const [out, inputs] = matrixDims(weight);
  const operands = [inLayout(e, x, 'plain'), reshape(e, weight, [out, inputs, 1, 1]), bias];
  let y = emit(e, 'Conv', bias === undefined ? operands.slice(0, 2) : operands, { dims: [n, out, h, w] });
  if (sum !== undefined) y = add(e, y, inLayout(e, sum, 'plain'));
  return activate(e, y, activation);
}

/**
 * sum over n and pixels of dy[n, o, p] * x[n, i, p]: the gradient `[out, in]` of the weights of a 1x1 convolution.
 * Blocked: the narrower image is laid out row-major, once and for all its blocks; the wider one is read as it lies.
 */
export function pixelProducts(e: Emitter, dy: Term, x: Term): Term {
  const [n, out, h, w] = imageDims(dy);
  const [, inputs] = imageDims(x);
  const pixels = h * w;
  if (!canBlock(e, out, inputs)) {
    const rows = (image: Term, channels: number): Term => reshape(e, toPlain(e, image), [n, channels, pixels]);
    return sumOver(e, batchedMatMul(e, rows(dy, out), rows(x, inputs), { b: true }), [0]);
  }
  if (out >= inputs) {
    const narrow = reshape(e, toChannelsLast(e, inLayout(e, x, 'blocked')), [n, 1, pixels, inputs]);
    const products = sumOver(e, batchedMatMul(e, narrow, asBlocks(e, inLayout(e, dy, 'blocked')), { a: true }), [0]);
    return reshape(e, transpose(e, products, [0, 2, 1]), [out, inputs]); // [out / block, in, block]
  }
  const narrow = reshape(e, toChannelsLast(e, inLayout(e, dy, 'blocked')), [n, 1, pixels, out]);
  const products = sumOver(e, batchedMatMul(e, narrow, asBlocks(e, inLayout(e, x, 'blocked')), { a: true }), [0]);
  return reshape(e, transpose(e, products, [1, 0, 2]), [out, inputs]); // [in / block, out, block]
}

/** Mean over n and pixels of x[n, i, p] * x[n, j, p]: the second moments `[C, C]` of the channels. */
export function secondMoments(e: Emitter, x: Term): Term {
  const [n, c, h, w] = imageDims(x);
  if (x.layout === 'plain') {
    const rows = reshape(e, x, [n, c, h * w]);
    return scaleBy(e, sumOver(e, batchedMatMul(e, rows, rows, { b: true }), [0]), 1 / (n * h * w));
  }
  const rows = toChannelsLast(e, x);
  return scaleBy(e, sumOver(e, batchedMatMul(e, rows, rows, { a: true }), [0]), 1 / (n * h * w));
}
