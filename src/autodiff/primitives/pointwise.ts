import { type Emitter, emit, imageDims, matrixDims, reshape, type Term } from '../term.js';
import { activate, fusedActivation, type TapeActivation } from './activation.js';
import { inLayout } from './layout.js';
import {
  asBlocks,
  blockedConv,
  blockOf,
  blockPointwise,
  blockPointwiseTransposed,
  canBlock,
  toChannelsLast,
  toPlain,
} from './nchwc.js';
import { add, batchedMatMul, gemm, sumOver, transpose } from './standard.js';

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
 * Blocked: the narrower image is laid out row-major, once for all blocks of the wider one, which is read as it lies.
 */
export function pixelProducts(e: Emitter, dy: Term, x: Term): Term {
  const [n, out, h, w] = imageDims(dy);
  const [, inputs] = imageDims(x);
  if (!canBlock(e, out, inputs)) {
    const rows = (image: Term, channels: number): Term => reshape(e, toPlain(e, image), [n, channels, h * w]);
    return sumOver(e, batchedMatMul(e, rows(dy, out), rows(x, inputs), { b: true }), [0]);
  }
  return out >= inputs ? blockedProducts(e, dy, x) : transpose(e, blockedProducts(e, x, dy), [1, 0]);
}

/** {@link pixelProducts} `[wide, narrow]` of two images whose channels fill blocks. */
function blockedProducts(e: Emitter, wide: Term, narrow: Term): Term {
  const [n, , h, w] = imageDims(wide);
  const [, narrowChannels] = imageDims(narrow);
  const rows = toChannelsLast(e, inLayout(e, narrow, 'blocked'));
  const blocks = asBlocks(e, inLayout(e, wide, 'blocked'));
  const block = blockOf(e);
  // A product per image is added up afterwards: for the smallest maps that sum, of whole matrices, is the larger part of the work.
  if ((h * w) % block === 0 && h * w >= 64) return productsAsConv(e, blocks, rows);
  // Turning the wide image costs as much per channel however narrow the other is.
  if ((n * h * w) % block === 0 && narrowChannels >= 2 * block) {
    const [, wideBlocks = 0, pixels = 0] = blocks.dims;
    const turned = reshape(e, transpose(e, blocks, [1, 0, 2, 3]), [1, wideBlocks, n * pixels, block]);
    return productsAsConv(e, turned, reshape(e, rows, [1, n * pixels, narrowChannels]));
  }
  const products = batchedMatMul(e, blocks, reshape(e, rows, [n, 1, h * w, narrowChannels]), { a: true });
  return reshape(e, sumOver(e, products, [0]), [blocks.dims[1]! * block, narrowChannels]); // from [wide / block, block, narrow]
}

/**
 * The same as a blocked 1x1 convolution, which is twice as fast as matrix products of 16 rows: pixels are its input channels, the narrow
 * image's channels its pixels, images its groups. The memory `[wide / block, pixels, block]` of one wide image is that of blocked weights
 * `[wide, pixels]`; only the narrow image has to be turned.
 * @param blocks `[N, wide / block, P, block]`
 * @param rows `[N, P, narrow]`; P fills blocks
 */
function productsAsConv(e: Emitter, blocks: Term, rows: Term): Term {
  const [n = 0, wideBlocks = 0, pixels = 0, block = 0] = blocks.dims;
  const narrow = rows.dims[2]!;
  const tiles = transpose(e, reshape(e, rows, [(n * pixels) / block, block, narrow]), [0, 2, 1]);
  const weight = reshape(e, blocks, [n * wideBlocks * block, pixels, 1, 1], 'blocked');
  const perImage = blockedConv(e, reshape(e, tiles, [1, n * pixels, narrow, 1], 'blocked'), { weight, group: n });
  const products = sumOver(e, reshape(e, perImage, [n, wideBlocks, narrow, block]), [0]);
  return reshape(e, transpose(e, products, [0, 2, 1]), [wideBlocks * block, narrow]);
}

/** Covariances `[C, C]` of the channels over n and pixels: mean(x x^T) - mean(x) mean(x)^T. */
export function covariances(e: Emitter, x: Term, mean: Term): Term {
  const [n, c, h, w] = imageDims(x);
  const row = reshape(e, mean, [1, c]);
  const addend = secondMoments(e, x);
  return gemm(e, row, row, { a: true, alpha: -1, addend, beta: 1 / (n * h * w) });
}

/** Sum over n and pixels of x[n, i, p] * x[n, j, p]: `[C, C]`. */
function secondMoments(e: Emitter, x: Term): Term {
  const [n, c, h, w] = imageDims(x);
  if (x.layout === 'plain') {
    const rows = reshape(e, x, [n, c, h * w]);
    return sumOver(e, batchedMatMul(e, rows, rows, { b: true }), [0]);
  }
  const pixels = reshape(e, toChannelsLast(e, x), [n * h * w, c]);
  return gemm(e, pixels, pixels, { a: true });
}
