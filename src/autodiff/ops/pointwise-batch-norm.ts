import { activate, activationGradient, fusedActivation, needsArgument } from '../primitives/activation.js';
import { channelMeans } from '../primitives/channels.js';
import { covariances, pixelProducts, pointwiseConv, pointwiseConvTransposed } from '../primitives/pointwise.js';
import { add, gemm, matrixVector, mul, scaleBy, sumOver, vectorMatrix } from '../primitives/standard.js';
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
 * Backward, with g the gradient of the activation's argument, P = sum(g x^T) and M = N * H * W:
 *   sum(g * W x)[o] = sum over i of W[o, i] * P[o, i], and from it dgamma, dbeta = sum(g), slope, shift of `normGradients`;
 *   the gradient of W x is a g + slope W x + shift, which is never made either:
 *   dx = (a W)^T g + (W^T diag(slope) W) x + W^T shift
 *   dW = a P + M slope W (C + m m^T) + M shift m^T = a (P - dbeta m^T) + M slope W C, as M shift = -a dbeta - M slope mean
 *
 * Source: Ioffe & Szegedy 2015, section 3, applied to a linear map; derived here.
 */
export const pointwiseBatchNorm: Rule<'pointwiseBatchNorm'> = {
  forward(e, { x, weight, gamma, beta }, { epsilon, activation }) {
    const matrix = pointwiseMatrix(e, x, weight);
    const [out] = matrixDims(matrix);
    checkAffine(out, { gamma, beta });
    const inputMean = channelMeans(e, x);
    const weightedCovariance = gemm(e, matrix, covariances(e, x, inputMean));
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
    const products = pixelProducts(e, g, x);
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
        const [sums, inputMean] = [reshape(e, gradients.beta, [1, out]), reshape(e, kept('inputMean'), [1, inputs])];
        const centered = gemm(e, sums, inputMean, { a: true, alpha: -1, addend: products });
        const fromCovariance = scaleRows(e, kept('weightedCovariance'), scaleBy(e, gradients.slope, count));
        return reshape(e, add(e, scaleRows(e, centered, scale), fromCovariance), weight.dims);
      },
    };
  },
};
