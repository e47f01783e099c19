import { BespokeError } from '../common/errors.js';
import { latencyUpperFactor } from '../hardware/latency-bounds.js';
import type { LatencyModel } from '../hardware/types.js';
import type { AccuracyPredictor } from '../predictors/predictor.js';
import type { SpecializationRequest } from './types.js';

/** What limits are held against where a request asks for a confidence: predictions moved to their one-sided bounds. */
export interface LimitBounds {
  /** A predicted latency times this is its upper bound; 1 where no confidence was asked for. */
  readonly latencyFactor: number;
  /** A predicted top-1 less this is its lower bound; 0 where no confidence was asked for. */
  readonly top1Shortfall: number;
}

/** Predictions as they are. */
export const NO_BOUNDS: LimitBounds = { latencyFactor: 1, top1Shortfall: 0 };

/** The factor alone: it needs no predictor. @throws BespokeError `no-latency-data` or `invalid-request` for a confidence that the model cannot promise */
export function latencyFactorOf(
  { constraints, search }: SpecializationRequest,
  latency: LatencyModel | undefined,
): number {
  if (search.confidence === undefined || constraints.maxLatencyMs === undefined || latency === undefined) return 1;
  return latencyUpperFactor(latency.profile, search.confidence);
}

/** @throws BespokeError `no-latency-data` or `invalid-request` for a confidence that the models cannot promise */
export function limitBounds(
  request: SpecializationRequest,
  models: { readonly predictor: AccuracyPredictor; readonly latency: LatencyModel | undefined },
): LimitBounds {
  const { constraints, search } = request;
  const isTop1Bounded = search.confidence !== undefined && constraints.minTop1 !== undefined;
  return {
    latencyFactor: latencyFactorOf(request, models.latency),
    top1Shortfall: isTop1Bounded ? models.predictor.shortfall(search.confidence) : 0,
  };
}

/** What must be said beside figures of latency in a refusal: that they are bounds; nothing where they are predictions. */
export function latencyNote({ constraints, search }: SpecializationRequest): string {
  const isBounded = search.confidence !== undefined && constraints.maxLatencyMs !== undefined;
  return isBounded ? ` Latencies are upper bounds at confidence ${search.confidence}.` : '';
}

/**
 * Says in the request's own terms that no architecture is accurate enough: a search knows only the score that it needs, which is
 * `minTop1` and what the confidence adds. Other errors are given back as they are.
 */
export function inRequestTerms(error: unknown, request: SpecializationRequest, shortfall: number): unknown {
  const { constraints, search } = request;
  const { confidence } = search;
  if (!(error instanceof BespokeError) || error.code !== 'infeasible-constraints' || confidence === undefined)
    return error;
  const { binding = [], nearestFeasible } = error.extras;
  if (binding.includes('maxLatencyMs'))
    return new BespokeError(error.code, `${error.message}${latencyNote(request)}`, error.extras, error);
  const found = nearestFeasible?.minTop1;
  if (found === undefined || constraints.minTop1 === undefined || !binding.includes('minTop1')) return error;
  const lower = found - shortfall;
  return new BespokeError(
    'infeasible-constraints',
    `No architecture that meets the other constraints reaches minTop1 ${constraints.minTop1} at confidence ${confidence}; the best found is predicted at ${found}, of which ${lower} is sure.`,
    { binding: ['minTop1'], nearestFeasible: { minTop1: lower } },
    error,
  );
}
