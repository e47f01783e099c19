import { constant, type Emitter, emit, imageDims, reshape, type Term } from '../term.js';
import { activate, fusedActivation, type TapeActivation } from './activation.js';
import { blockedConv, blockedPool, blockOf } from './nchwc.js';
import { add, meanOver, mul, sumOver, vectorMatrix } from './standard.js';

/** Mean over each map: `[N, C, H, W]` -> `[N, C]`. */
export function mapMeans(e: Emitter, x: Term): Term {
  if (x.layout === 'plain') return meanOver(e, x, [2, 3]);
  const [n, c] = imageDims(x);
  return reshape(e, blockedPool(e, x), [n, c]);
}

/** Mean over batch and map: `[N, C, H, W]` -> `[C]`. */
export function channelMeans(e: Emitter, x: Term): Term {
  if (x.layout === 'plain') return meanOver(e, x, [0, 2, 3]);
  const [n] = imageDims(x);
  return vectorMatrix(e, constant(e, [n], 1 / n), mapMeans(e, x)); // several times faster than a mean of so few numbers
}

/**
 * Sum of x * y over each map: two `[N, C, H, W]` of one layout -> `[N, C]`.
 * Blocked: a depthwise convolution over N * C groups whose kernel is the whole map of y; a blocked image of one map per group has the
 * memory of blocked depthwise weights, so nothing is moved.
 */
export function mapDots(e: Emitter, x: Term, y: Term): Term {
  const [n, c, h, w] = imageDims(x);
  if (x.layout === 'plain') return sumOver(e, mul(e, x, y), [2, 3]);
  const weight = reshape(e, y, [n * c, 1, h, w], 'blocked');
  return reshape(e, blockedConv(e, groupPerMap(e, x), { weight, group: n * c }), [n, c]);
}

/** Sum of x * y over batch and map, times a factor: `[C]`. */
export function channelDots(e: Emitter, x: Term, y: Term, factor = 1): Term {
  const [n] = imageDims(x);
  return vectorMatrix(e, constant(e, [n], factor), mapDots(e, x, y));
}

/** A blocked image seen as one image with a channel per map: `[1, N * C, H, W]`, the same memory. */
export function groupPerMap(e: Emitter, x: Term): Term {
  const [n, c, h, w] = imageDims(x);
  return reshape(e, x, [1, n * c, h, w], 'blocked');
}

/** A factor per channel and what is added: `scale * x + shift + sum`. */
export interface ChannelAffine {
  /** `[C]` */
  readonly scale: Term;
  /** `[C]` */
  readonly shift?: Term;
  /** An image like x. */
  readonly sum?: Term;
  readonly activation?: TapeActivation;
}

/** scale[c] * x + shift[c] + sum, then the activation. Blocked: one depthwise 1x1 convolution, but for hSwish. */
export function channelAffine(e: Emitter, x: Term, { scale, shift, sum, activation = 'none' }: ChannelAffine): Term {
  const [, c] = imageDims(x);
  if (x.layout === 'blocked') {
    const weight = reshape(e, scale, [c, 1, 1, 1], 'blocked');
    const fused = fusedActivation(activation);
    const y = blockedConv(e, x, {
      weight,
      group: c,
      activation: fused,
      ...(shift === undefined ? {} : { bias: shift }),
      ...(sum === undefined ? {} : { sum }),
    });
    return fused === undefined ? activate(e, y, activation) : y;
  }
  let y = mul(e, x, reshape(e, scale, [c, 1, 1]));
  if (shift !== undefined) y = add(e, y, reshape(e, shift, [c, 1, 1]));
  if (sum !== undefined) y = add(e, y, sum);
  return activate(e, y, activation);
}

/** scale[n, c] * x + shift[n, c]: each map with a factor and an addend of its own. */
export function scaleMaps(e: Emitter, x: Term, scale: Term, shift?: Term): Term {
  const [n, c] = imageDims(x);
  if (x.layout === 'plain') {
    const scaled = mul(e, x, reshape(e, scale, [n, c, 1, 1]));
    return shift === undefined ? scaled : add(e, scaled, reshape(e, shift, [n, c, 1, 1]));
  }
  const how = { weight: reshape(e, scale, [n * c, 1, 1, 1], 'blocked'), group: n * c };
  const bias = shift === undefined ? {} : { bias: reshape(e, shift, [n * c]) };
  return reshape(e, blockedConv(e, groupPerMap(e, x), { ...how, ...bias }), x.dims, 'blocked');
}

/** Each `value[n, c]` repeated over a map: `[N, C]` -> an image of `like`'s dims and layout. */
export function spreadOverMaps(e: Emitter, value: Term, like: Term): Term {
  const [n, c, h, w] = imageDims(like);
  if (like.layout === 'plain') return expand(e, reshape(e, value, [n, c, 1, 1]), like.dims);
  const block = blockOf(e);
  const blocks = expand(e, reshape(e, value, [n, c / block, 1, block]), [n, c / block, h * w, block]);
  return reshape(e, blocks, like.dims, 'blocked');
}

function expand(e: Emitter, x: Term, dims: readonly number[]): Term {
  return emit(e, 'Expand', [x, e.builder.int64Const(dims)], { dims });
}
