import { int, ints } from '../../onnx/builder.js';
import { floats } from '../../tensor/tensor.js';
import { type Emitter, emit, imageDims, reshape, type Term } from '../term.js';
import { type Sliding, slidSize } from './depthwise.js';
import { asBlocks, blockedConv, blockOf, blockOutputs, canBlock, toPlain } from './nchwc.js';
import { batchedMatMul, sumOver, transpose } from './standard.js';

/** Whether a dense convolution has a blocked form: it reads a row-major image of fewer channels than a block (a stem). */
function blocksOutput(e: Emitter, inputs: number, out: number): boolean {
  return canBlock(e, out) && inputs < blockOf(e);
}

const standardAttributes = (kernel: number, { stride, padding }: Sliding) => ({
  kernel_shape: ints([kernel, kernel]),
  strides: ints([stride, stride]),
  pads: ints([padding, padding, padding, padding]),
});

/** Dense convolution of `[N, in, H, W]` with `[out, in, k, k]`. */
export function denseConv(e: Emitter, x: Term, weight: Term, sliding: Sliding): Term {
  const [n, , h, w] = imageDims(x);
  const [out, inputs, kernel] = imageDims(weight);
  const { stride, padding } = sliding;
  if (blocksOutput(e, inputs, out)) {
    const how = { stride, pads: [padding, padding, padding, padding] as const };
    return blockedConv(e, toPlain(e, x), { weight: blockOutputs(e, weight), ...how });
  }
  const dims = [n, out, slidSize(h, kernel, sliding), slidSize(w, kernel, sliding)];
  return emit(e, 'Conv', [toPlain(e, x), weight], { dims, attributes: standardAttributes(kernel, sliding) });
}

/** The gradient for x: the transposed convolution of dy. Source: ONNX ConvTranspose-11. */
export function denseInputGradient(e: Emitter, dy: Term, weight: Term, sliding: Sliding & { size: number }): Term {
  const [n, , outSize] = imageDims(dy);
  const [, inputs, kernel] = imageDims(weight);
  const { size, stride, padding } = sliding;
  // What the forward floor cut off at the far side comes back as output padding.
  const extra = size - ((outSize - 1) * stride - 2 * padding + kernel);
  const attributes = { ...standardAttributes(kernel, sliding), output_padding: ints([extra, extra]) };
  return emit(e, 'ConvTranspose', [toPlain(e, dy), weight], { dims: [n, inputs, size, size], attributes });
}

/**
 * The gradient for the weights: the product of dy and the image's patches (im2col), summed over the batch.
 * dw[o, i, t] = sum over n, p of dy[n, o, p] * x[n, i, stride * p + t - padding].
 */
export function denseWeightGradient(e: Emitter, x: Term, dy: Term, how: Sliding & { kernel: number }): Term {
  const [n, out, h, w] = imageDims(dy);
  const [, inputs] = imageDims(x);
  const { kernel } = how;
  const features = inputs * kernel * kernel;
  const columns = patches(e, toPlain(e, x), how);
  const dims = [out, inputs, kernel, kernel];
  if (dy.layout === 'plain') {
    const products = batchedMatMul(e, reshape(e, dy, [n, out, h * w]), columns, { b: true });
    return reshape(e, sumOver(e, products, [0]), dims);
  }
  const products = batchedMatMul(e, reshape(e, columns, [n, 1, features, h * w]), asBlocks(e, dy));
  const summed = sumOver(e, products, [0]); // [out / block, features, block]
  return reshape(e, transpose(e, summed, [0, 2, 1]), dims);
}

/** The patches that a kernel sees, `[N, in * k * k, pixels of the result]`: a convolution with one kernel per tap. */
function patches(e: Emitter, x: Term, how: Sliding & { kernel: number }): Term {
  const [n, inputs, h] = imageDims(x);
  const { kernel } = how;
  const taps = kernel * kernel;
  const oneHot = new Float32Array(inputs * taps * taps);
  for (let row = 0; row < inputs * taps; row++) oneHot[row * taps + (row % taps)] = 1;
  const name = e.builder.initializer(e.builder.fresh('taps'), floats([inputs * taps, 1, kernel, kernel], oneHot));
  const size = slidSize(h, kernel, how);
  const attributes = { ...standardAttributes(kernel, how), group: int(inputs) };
  const columns = emit(e, 'Conv', [x, name], { dims: [n, inputs * taps, size, size], attributes });
  return reshape(e, columns, [n, inputs * taps, size * size]);
}
