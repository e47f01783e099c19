import { invariant } from '../../common/invariant.js';
import { depthwiseConv, depthwiseInputGradient, depthwiseWeightGradient } from '../primitives/depthwise.js';
import { imageDims, showDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * Depthwise convolution, square kernel, no bias: y[c, p] = sum over t of w[c, t] * x[c, stride * p + t - padding].
 *
 *   dx = dy, spread by the stride, convolved with the kernels turned by 180 degrees
 *   dw[c, t] = sum over n, p of dy[n, c, p] * x[n, c, stride * p + t - padding]
 *
 * Source: ONNX Conv-11 with group = C.
 */
export const depthwise: Rule<'depthwise'> = {
  forward(e, { x, weight }, attributes) {
    const [, channels, height, width] = imageDims(x);
    const [out, perGroup, kernel, kernelWidth] = imageDims(weight);
    const { padding } = attributes;
    invariant(
      out === channels && perGroup === 1 && kernel === kernelWidth && height === width && padding < kernel,
      () =>
        `depthwise of ${showDims(x.dims)} with weights ${showDims(weight.dims)} and padding ${padding}: ` +
        `needed are square maps, weights [${channels}, 1, k, k] and padding < k`,
    );
    return { output: depthwiseConv(e, x, weight, attributes) };
  },
  backward(e, { inputs: { x, weight }, attributes, gradient }) {
    const [, , size] = imageDims(x);
    const [, , kernel] = imageDims(weight);
    return {
      x: () => depthwiseInputGradient(e, gradient, weight, { ...attributes, size }),
      weight: () => depthwiseWeightGradient(e, x, gradient, { ...attributes, kernel }),
    };
  },
};
