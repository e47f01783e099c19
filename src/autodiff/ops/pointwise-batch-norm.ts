import { activate, activationGradient, fusedActivation, needsArgument } from '../primitives/activation.js';
import { channelMeans } from '../primitives/channels.js';
import { pixelProducts, pointwiseConv, pointwiseConvTransposed, secondMoments } from '../primitives/pointwise.js';
import { add, gemm, matrixVector, mul, scaleBy, sub, sumOver, vectorMatrix } from '../primitives/standard.js';
import { type Emitter, imageDims, matrixDims, reshape, type Term } from '../term.js';
import { checkAffine, normalization, normGradients } from './batch-norm.js';
import type { Rule } from './op-table.js';
import { pointwiseMatrix } from './pointwise.js';

/** v as a column `[R, 1]` times each row of a matrix `[R, K]`. */
function scaleRows(e: Emitter, matrix: Term, v: Term): Term {
  const [rows] = matrixDims(matrix);
  return mul(e, matrix, reshape(e, v, [rows, 1]));
}

/**
 * 1x1 convolution, batch normalisation with the batch's own statistics, activation, as one operation:
 * y = activation(gamma * (W x - mean) / sqrt(variance + epsilon) + beta).
 *
 * For the wide result of an expand convolution, W x is never made: its statistics follow from those of the narrow x,
 * with m = mean(x) and C = mean(x x^T) - m m^T over batch and map:
 *   mean = W m,   variance[o] = (W C W^T)[o, o],   y = activation((a W) x + b) with a, b of `normalization`.
 * Backward, with g the gradient of the activation's argument, P = mean(g x^T) and mg = mean(g):
 *   mean(g * W x)[o] = sum over i of W[o, i] * P[o, i], and from it dgamma, dbeta, slope, shift of `normGradients`;
 *   the gradient of W x is a g + slope W x + shift, which is never made either:
 *   dx = (a W)^T g + (W^T diag(slope) W) x + W^T shift
 *   dW = M (a P + slope (W (C + m m^T)) + shift m^T) = M (a (P - mg m^T) + slope (W C)), as shift = -(a mg + slope mean)
 *
 * Source: Ioffe & Szegedy 2015, section 3, applied to a linear map; derived here.
 */
export const pointwiseBatchNorm: Rule<'pointwiseBatchNorm'> = {
  forward(e, { x, weight, gamma, beta }, { epsilon, activation }) {
    const matrix = pointwiseMatrix(e, x, weight);
    const [out, inputs] = matrixDims(matrix);
    checkAffine(out, { gamma, beta });
    const inputMean = channelMeans(e, x);
    const squaredMean = mul(e, reshape(e, inputMean, [inputs, 1]), reshape(e, inputMean, [1, inputs]));
    const weightedCovariance = gemm(e, matrix, sub(e, secondMoments(e, x), squaredMean));
    const mean = matrixVector(e, matrix, inputMean);
    const variance = sumOver(e, mul(e, weightedCovariance, matrix), [1]);
    const { inverseDeviation, scale, shift } = normalization(e, { mean, variance, epsilon }, { gamma, beta });
    const scaledWeight = scaleRows(e, matrix, scale);
    const kept = { inputMean, mean, inverseDeviation, scale, scaledWeight, weightedCovariance };
    if (fusedActivation(activation) !== undefined) {
      return { output: pointwiseConv(e, x, scaledWeight, { bias: shift, activation }), kept };
    }
    const argument = pointwiseConv(e, x, scaledWeight, { bias: shift });
    return { output: activate(e, argument, activation), kept: { ...kept, argument } };
  },
  backward(e, { inputs: { x, weight }, attributes: { activation }, output, kept, gradient }) {
    const [n, , h, w] = imageDims(x);
    const count = n * h * w;
    const matrix = pointwiseMatrix(e, x, weight);
    const activated = needsArgument(activation) ? { y: output, x: kept('argument') } : { y: output };
    const g = activationGradient(e, activation, gradient, activated);
    const gMean = channelMeans(e, g);
    const products = scaleBy(e, pixelProducts(e, g, x), 1 / count);
    const dots = sumOver(e, mul(e, matrix, products), [1]);
    const scale = kept('scale');
    const statistics = { mean: kept('mean'), inverseDeviation: kept('inverseDeviation'), scale };
    const gradients = normGradients(e, statistics, { mean: gMean, dots, count });
    return {
      gamma: () => gradients.gamma,
      beta: () => gradients.beta,
      x: () => {
        const narrow = gemm(e, matrix, scaleRows(e, matrix, gradients.slope), { a: true });
        const fromInput = pointwiseConv(e, x, narrow, { bias: vectorMatrix(e, gradients.shift, matrix) });
        return pointwiseConvTransposed(e, g, kept('scaledWeight'), { sum: fromInput });
      },
      weight: () => {
        const [out, inputs] = matrixDims(matrix);
        const meanProducts = mul(e, reshape(e, gMean, [out, 1]), reshape(e, kept('inputMean'), [1, inputs]));
        const centered = scaleRows(e, sub(e, products, meanProducts), scale);
        const fromCovariance = scaleRows(e, kept('weightedCovariance'), gradients.slope);
        return reshape(e, scaleBy(e, add(e, centered, fromCovariance), count), weight.dims);
      },
    };
  },
};
