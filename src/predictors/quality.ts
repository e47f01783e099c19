import { invariant } from '../common/invariant.js';
import { kendallTau, pearson, spearman } from '../common/rank-correlation.js';
import type { Interval } from '../search/types.js';

/** Root mean square of the differences; the unit is that of the values. */
export function rmse(predicted: ArrayLike<number>, target: ArrayLike<number>): number {
  const n = predicted.length;
  invariant(n === target.length && n > 0, () => `rmse needs equally long lists, got ${n} and ${target.length}`);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (predicted[i]! - target[i]!) ** 2;
  return Math.sqrt(sum / n);
}

/** How well a predictor does on architectures that it was not trained on. */
export interface PredictorQuality {
  /** Architectures held out. */
  readonly heldOut: number;
  /** Percentage points of top-1. */
  readonly rmsePoints: number;
  /** -1..1 */
  readonly kendallTau: number;
  readonly spearman: number;
  /**
   * Kendall's tau between the measured top-1 on two random halves of the label images: how well the labels rank the same
   * networks twice. Halves are noisier than the whole, so a predictor can lie a little above it.
   */
  readonly splitHalfKendallTau: number;
  /** Reliability of the whole labels, from the halves' correlation r: 2 r / (1 + r) (Spearman-Brown). */
  readonly labelReliability: number;
}

/** Measured top-1 of held-out architectures, fractions 0..1: on all label images, and on each random half of them. */
export interface MeasuredLabels {
  readonly top1: readonly number[];
  readonly halves: readonly [readonly number[], readonly number[]];
}

/** Reliability of whole labels by the correlation of their halves (Spearman-Brown). */
export function reliabilityOf(a: readonly number[], b: readonly number[]): number {
  const r = pearson(a, b);
  return (2 * r) / (1 + r);
}

/** Quality figures of predictions against labels. @param predicted fractions 0..1, in the labels' order */
export function predictorQuality(predicted: ArrayLike<number>, labels: MeasuredLabels): PredictorQuality {
  const [a, b] = labels.halves;
  return {
    heldOut: predicted.length,
    rmsePoints: 100 * rmse(predicted, labels.top1),
    kendallTau: kendallTau(predicted, labels.top1),
    spearman: spearman(predicted, labels.top1),
    splitHalfKendallTau: kendallTau(a, b),
    labelReliability: reliabilityOf(a, b),
  };
}

/**
 * Kendall's tau with such labels of a predictor that knows each architecture's top-1 on all images of their kind: 2/π asin √reliability, as for
 * normal deviates. A predictor trained on labels of the very same images can exceed it: part of the labels' chance is in all of them.
 * @param reliability of the labels, 0..1; what chance takes below 0 counts as 0
 * Source: W. H. Greiner's relation, tau = 2/π asin r; r = √reliability by Spearman's correction for attenuation
 */
export function tauCeiling(reliability: number): number {
  return (2 / Math.PI) * Math.asin(Math.sqrt(Math.max(0, reliability)));
}

/** `value` plus or minus `half`, kept within 0..1. */
export function fractionInterval(value: number, half: number): Interval {
  return { low: Math.max(0, value - half), high: Math.min(1, value + half) };
}
