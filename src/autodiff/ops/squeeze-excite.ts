import { invariant } from '../../common/invariant.js';
import { activate, activationGradient, hardSigmoidGradient } from '../primitives/activation.js';
import { mapDots, mapMeans, scaleMaps } from '../primitives/channels.js';
import { gemm, hardSigmoid, scaleBy, sumOver } from '../primitives/standard.js';
import { imageDims, matrixDims, sameDims, showDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * Squeeze-and-excite of an image `[N, C, H, W]` by matrices `[M, C]` and `[C, M]`, with p = mean of x over each map:
 *   h = relu(p R^T + r),   s = hardSigmoid(h E^T + e) = relu6(h E^T + e + 3) / 6,   y[n, c, q] = x[n, c, q] * s[n, c]
 *
 * Backward: ds[n, c] = sum over q of dy[n, c, q] * x[n, c, q], back through both matrices to dp, and
 *   dx[n, c, q] = dy[n, c, q] * s[n, c] + dp[n, c] / (H * W)
 * in one pass over the image, which is why this is one operation.
 *
 * Source: Hu et al. 2018 (Squeeze-and-Excitation Networks), section 3; hard sigmoid: Howard et al. 2019 (MobileNetV3), section 5.2.
 */
export const squeezeExcite: Rule<'squeezeExcite'> = {
  forward(e, { x, reduceWeight, reduceBias, expandWeight, expandBias }) {
    const [, channels] = imageDims(x);
    const [middle] = matrixDims(reduceWeight);
    const isFit =
      sameDims(reduceWeight.dims, [middle, channels]) &&
      sameDims(reduceBias.dims, [middle]) &&
      sameDims(expandWeight.dims, [channels, middle]) &&
      sameDims(expandBias.dims, [channels]);
    invariant(isFit, () => {
      const given = [reduceWeight, reduceBias, expandWeight, expandBias].map(({ dims }) => showDims(dims));
      return `squeeze-and-excite of ${showDims(x.dims)} with reduce ${given[0]} ${given[1]}, expand ${given[2]} ${given[3]}`;
    });
    const pooled = mapMeans(e, x);
    const hidden = activate(e, gemm(e, pooled, reduceWeight, { b: true, addend: reduceBias }), 'relu');
    const scale = hardSigmoid(e, gemm(e, hidden, expandWeight, { b: true, addend: expandBias }), 1 / 6, 0.5);
    return { output: scaleMaps(e, x, scale), kept: { pooled, hidden, scale } };
  },
  backward(e, { inputs: { x, reduceWeight, expandWeight }, kept, gradient }) {
    const [, , h, w] = imageDims(x);
    const [pooled, hidden, scale] = [kept('pooled'), kept('hidden'), kept('scale')];
    const excited = hardSigmoidGradient(e, mapDots(e, gradient, x), scale);
    const squeezed = activationGradient(e, 'relu', gemm(e, excited, expandWeight), { y: hidden });
    return {
      expandWeight: () => gemm(e, excited, hidden, { a: true }),
      expandBias: () => sumOver(e, excited, [0]),
      reduceWeight: () => gemm(e, squeezed, pooled, { a: true }),
      reduceBias: () => sumOver(e, squeezed, [0]),
      x: () => scaleMaps(e, gradient, scale, scaleBy(e, gemm(e, squeezed, reduceWeight), 1 / (h * w))),
    };
  },
};
