import { absoluteAscending, conformalQuantile, highestConfidence } from '../common/conformal.js';
import { BespokeError } from '../common/errors.js';
import type { Interval } from '../search/types.js';
import type { LatencyProfile } from './types.js';

/** Beyond this share an error says only that the model is of no use; it keeps the interval's upper end finite. */
const MAX_ERROR_SHARE = 0.9;

/**
 * Where the measured latency of a network predicted at `ms` lies with probability `confidence`, by the relative residuals of held-out
 * networks (split conformal). A profile from before residuals were kept has but their 90 % quantile, and gives that.
 * @returns undefined where no network was held out, or too few for that confidence: nothing is promised then
 */
export function latencyInterval(profile: LatencyProfile, ms: number, confidence: number): Interval | undefined {
  const { holdout, residuals } = profile;
  if (holdout === undefined) return undefined;
  if (residuals === undefined) {
    // An error e is a share of the measured value there: it lies between ms / (1 + e) and ms / (1 - e).
    const share = Math.min(MAX_ERROR_SHARE, holdout.p90Percent / 100);
    return { low: ms / (1 + share), high: ms / (1 - share) };
  }
  const half = conformalQuantile(absoluteAscending(residuals), confidence);
  return half === undefined ? undefined : { low: ms * Math.max(0, 1 - half), high: ms * (1 + half) };
}

/**
 * What a predicted latency is multiplied with for its one-sided upper bound: the measured one is at most that with probability
 * `confidence`. Below 1 where the model mostly predicts too much.
 * @throws BespokeError `no-latency-data` where no network was held out, `invalid-request` where too few for that confidence (and which they allow)
 */
export function latencyUpperFactor(profile: LatencyProfile, confidence: number): number {
  const { hardware, residuals } = profile;
  const model = `the latency model of "${hardware.id}"`;
  if (residuals === undefined) {
    throw new BespokeError(
      'no-latency-data',
      `/search/confidence: ${model} keeps no errors of single networks, so it cannot promise a confidence; asked was ${confidence}`,
    );
  }
  const upper = conformalQuantile(residuals, confidence);
  if (upper !== undefined) return 1 + upper;
  const most = highestConfidence(residuals.length).toFixed(4);
  const detail = `${model} has ${residuals.length} held-out networks, which allow a confidence up to ${most}; asked was ${confidence}`;
  throw new BespokeError('invalid-request', `/search/confidence: ${detail}`, {
    errors: [{ pointer: '/search/confidence', detail }],
  });
}
