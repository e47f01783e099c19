import { invariant } from './invariant.js';

/** What (n + 1) * confidence may exceed a whole number by through rounding alone. */
const ROUNDING = 1e-9;

/**
 * The bound of a split-conformal prediction: one more score, drawn like the given ones, is at most it with at least that probability,
 * whatever the scores' distribution. It is the ceil((n + 1) * confidence)-th smallest.
 * @param ascending scores of a calibration set that nothing was fitted on, smallest first
 * @param confidence 0..1, exclusive
 * @returns undefined where the scores are too few for that confidence; {@link highestConfidence} says which they allow
 * Source: Lei et al., "Distribution-free predictive inference for regression", JASA 2018, section 2.2
 */
export function conformalQuantile(ascending: ArrayLike<number>, confidence: number): number | undefined {
  invariant(confidence > 0 && confidence < 1, () => `a confidence lies between 0 and 1, got ${confidence}`);
  const rank = Math.max(1, Math.ceil((ascending.length + 1) * confidence - ROUNDING));
  return ascending[rank - 1];
}

/** The other end of it: one more score is at least this with at least that probability. Parameters as of {@link conformalQuantile}. */
export function conformalLowerQuantile(ascending: ArrayLike<number>, confidence: number): number | undefined {
  invariant(confidence > 0 && confidence < 1, () => `a confidence lies between 0 and 1, got ${confidence}`);
  const rank = Math.max(1, Math.ceil((ascending.length + 1) * confidence - ROUNDING));
  return ascending[ascending.length - rank];
}

/** The highest confidence that so many calibration scores allow: n / (n + 1). */
export function highestConfidence(scores: number): number {
  return scores / (scores + 1);
}

/** Sizes of signed residuals, ascending: the scores of two-sided intervals. */
export function absoluteAscending(residuals: ArrayLike<number>): Float64Array {
  return Float64Array.from(residuals, Math.abs).sort();
}
