import { invariant } from '../../common/invariant.js';
import { denseConv, denseInputGradient, denseWeightGradient } from '../primitives/dense.js';
import { imageDims, showDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * Dense convolution, square kernel, no bias: y[o, p] = sum over i, t of w[o, i, t] * x[i, stride * p + t - padding].
 *
 *   dx = the transposed convolution of dy with w
 *   dw[o, i, t] = sum over n, p of dy[n, o, p] * x[n, i, stride * p + t - padding]
 *
 * Source: ONNX Conv-11; Goodfellow et al. 2016, Deep Learning, section 9.5.
 */
export const conv: Rule<'conv'> = {
  forward(e, { x, weight }, attributes) {
    const [, channels, height, width] = imageDims(x);
    const [, inputs, kernel, kernelWidth] = imageDims(weight);
    invariant(
      inputs === channels && kernel === kernelWidth && height === width,
      () =>
        `conv of ${showDims(x.dims)} with weights ${showDims(weight.dims)}: square maps and equal channels are needed`,
    );
    return { output: denseConv(e, x, weight, attributes) };
  },
  backward(e, { inputs: { x, weight }, attributes, gradient }) {
    const [, , size] = imageDims(x);
    const [, , kernel] = imageDims(weight);
    return {
      x: () => denseInputGradient(e, gradient, weight, { ...attributes, size }),
      weight: () => denseWeightGradient(e, x, gradient, { ...attributes, kernel }),
    };
  },
};
