import { invariant } from '../../common/invariant.js';
import { activate, activationGradient, fusedActivation, needsArgument } from '../primitives/activation.js';
import { channelAffine, channelDots, channelMeans } from '../primitives/channels.js';
import { add, mul, power, scaleBy, sub } from '../primitives/standard.js';
import { constant, type Emitter, imageDims, sameDims, showDims, type Term } from '../term.js';
import type { Rule } from './op-table.js';

/** @throws InvariantError unless gamma and beta are `[channels]` */
export function checkAffine(channels: number, { gamma, beta }: { readonly gamma: Term; readonly beta: Term }): void {
  invariant(
    sameDims(gamma.dims, [channels]) && sameDims(beta.dims, [channels]),
    () => `batch normalisation of ${channels} channels: gamma ${showDims(gamma.dims)}, beta ${showDims(beta.dims)}`,
  );
}

/** What a normalisation multiplies and adds per channel, `[C]` each. */
export interface Normalization {
  readonly inverseDeviation: Term;
  readonly scale: Term;
  readonly shift: Term;
}

/** r = (variance + epsilon)^(-1/2), a = gamma * r, b = beta - a * mean: normalising is a * x + b. */
export function normalization(
  e: Emitter,
  statistics: { readonly mean: Term; readonly variance: Term; readonly epsilon: number },
  affine: { readonly gamma: Term; readonly beta: Term },
): Normalization {
  const { mean, variance, epsilon } = statistics;
  const inverseDeviation = power(e, add(e, variance, constant(e, [], epsilon)), -0.5);
  const scale = mul(e, affine.gamma, inverseDeviation);
  return { inverseDeviation, scale, shift: sub(e, affine.beta, mul(e, scale, mean)) };
}

/** The per-channel figures of a normalisation's backward, `[C]` each. */
export interface NormGradients {
  readonly gamma: Term;
  readonly beta: Term;
  /** dx = scale * g + slope * x + shift. */
  readonly slope: Term;
  readonly shift: Term;
}

/**
 * With M = N * H * W, r and mean of the forward, and g = the gradient of a * x + b:
 * dbeta = sum(g), dgamma = (sum(g * x) - mean * dbeta) * r, dx = a * (g - dbeta / M - xhat * dgamma / M) with xhat = (x - mean) * r,
 * that is slope = -(a / M) * r * dgamma and shift = -(a / M) * dbeta - slope * mean.
 * @param backward mean of g over batch and map, sum of g * x, and M
 */
export function normGradients(
  e: Emitter,
  forward: { readonly mean: Term; readonly inverseDeviation: Term; readonly scale: Term },
  backward: { readonly mean: Term; readonly dots: Term; readonly count: number },
): NormGradients {
  const { mean, inverseDeviation } = forward;
  const beta = scaleBy(e, backward.mean, backward.count);
  const gamma = mul(e, sub(e, backward.dots, mul(e, mean, beta)), inverseDeviation);
  const share = scaleBy(e, forward.scale, -1 / backward.count);
  const slope = mul(e, mul(e, share, inverseDeviation), gamma);
  return { gamma, beta, slope, shift: sub(e, mul(e, share, beta), mul(e, slope, mean)) };
}

/**
 * Batch normalisation with the batch's own statistics (biased variance), then an activation:
 * y = activation(gamma * (x - mean) / sqrt(variance + epsilon) + beta), per channel over N, H, W.
 * The variance is mean(x^2) - mean^2. Gradients: {@link normGradients}, after the activation's.
 *
 * Source: Ioffe & Szegedy 2015, section 3 and its gradient formulas; ONNX BatchNormalization-15 in training mode.
 */
export const batchNorm: Rule<'batchNorm'> = {
  forward(e, { x, gamma, beta }, { epsilon, activation }) {
    const [n, channels, h, w] = imageDims(x);
    checkAffine(channels, { gamma, beta });
    const mean = channelMeans(e, x);
    const variance = sub(e, channelDots(e, x, x, 1 / (n * h * w)), mul(e, mean, mean));
    const { inverseDeviation, scale, shift } = normalization(e, { mean, variance, epsilon }, { gamma, beta });
    const statistics = { mean, inverseDeviation, scale };
    if (fusedActivation(activation) !== undefined) {
      return { output: channelAffine(e, x, { scale, shift, activation }), kept: statistics };
    }
    const argument = channelAffine(e, x, { scale, shift });
    return { output: activate(e, argument, activation), kept: { ...statistics, argument } };
  },
  backward(e, { inputs: { x }, attributes: { activation }, output, kept, gradient }) {
    const [n, , h, w] = imageDims(x);
    const activated = needsArgument(activation) ? { y: output, x: kept('argument') } : { y: output };
    const g = activationGradient(e, activation, gradient, activated);
    const scale = kept('scale');
    const statistics = { mean: kept('mean'), inverseDeviation: kept('inverseDeviation'), scale };
    const sums = { mean: channelMeans(e, g), dots: channelDots(e, g, x), count: n * h * w };
    const gradients = normGradients(e, statistics, sums);
    return {
      gamma: () => gradients.gamma,
      beta: () => gradients.beta,
      x: () => {
        const fromInput = channelAffine(e, x, { scale: gradients.slope, shift: gradients.shift });
        return channelAffine(e, g, { scale, sum: fromInput });
      },
    };
  },
};
