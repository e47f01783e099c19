import { invariant } from '../../common/invariant.js';
import { pixelProducts, pointwiseConv, pointwiseConvTransposed } from '../primitives/pointwise.js';
import { type Emitter, imageDims, reshape, showDims, type Term } from '../term.js';
import type { Rule } from './op-table.js';

/** The weights `[out, in, 1, 1]` of a 1x1 convolution as a matrix `[out, in]`. @throws InvariantError if they do not fit x */
export function pointwiseMatrix(e: Emitter, x: Term, weight: Term): Term {
  const [, channels] = imageDims(x);
  const [out, inputs, kernel, kernelWidth] = imageDims(weight);
  invariant(
    inputs === channels && kernel === 1 && kernelWidth === 1,
    () =>
      `a 1x1 convolution of ${showDims(x.dims)} needs weights [out, ${channels}, 1, 1], got ${showDims(weight.dims)}`,
  );
  return reshape(e, weight, [out, inputs]);
}

/**
 * 1x1 convolution, no bias: y[n, o, p] = sum over i of w[o, i] * x[n, i, p].
 *
 *   dx[n, i, p] = sum over o of w[o, i] * dy[n, o, p]
 *   dw[o, i] = sum over n, p of dy[n, o, p] * x[n, i, p]
 *
 * Source: ONNX Conv-11 with a 1x1 kernel.
 */
export const pointwise: Rule<'pointwise'> = {
  forward(e, { x, weight }) {
    return { output: pointwiseConv(e, x, pointwiseMatrix(e, x, weight)) };
  },
  backward(e, { inputs: { x, weight }, gradient }) {
    return {
      x: () => pointwiseConvTransposed(e, gradient, pointwiseMatrix(e, x, weight)),
      weight: () => reshape(e, pixelProducts(e, gradient, x), weight.dims),
    };
  },
};
