import type { LatencyModel } from '../hardware/types.js';
import type { AccuracyPredictor } from '../predictors/predictor.js';
import type { SearchOptions } from '../search/result.js';
import type { CostTable } from '../space/cost-table.js';
import type { SearchSpace } from '../space/types.js';
import { limitBounds } from './confidence.js';
import { describeArchs } from './describe.js';
import { exportedCosts } from './exported.js';
import { searchableResolutions, searchConstraints } from './feasible.js';
import type { SpecializationRequest } from './types.js';

/** Everything that predicts architectures of one space. */
export interface Predicting {
  readonly space: SearchSpace;
  readonly predictor: AccuracyPredictor;
  readonly costs: CostTable;
  readonly latency: LatencyModel | undefined;
}

/** The cost that the front runs along: the objective's, else latency where that is limited, else MACs. */
export function frontAxisOf({ objective, constraints }: SpecializationRequest): 'macs' | 'maxLatencyMs' {
  if (objective === 'accuracy') return constraints.maxLatencyMs === undefined ? 'macs' : 'maxLatencyMs';
  return objective === 'latency' ? 'maxLatencyMs' : 'macs';
}

/**
 * The search that a request asks for: its objective, limits, resolutions, seed and budgets.
 * @throws BespokeError `no-latency-data` or `invalid-request` where the request asks for what cannot be predicted
 */
export function searchOptionsOf(plain: Predicting, request: SpecializationRequest): SearchOptions {
  const { space, predictor, latency } = plain;
  const models = { ...plain, costs: exportedCosts(plain.costs, space, request.export) };
  const { constraints, resolutions, seed } = request;
  const { evaluations, maxSeconds } = request.search;
  const { top1Shortfall } = limitBounds(request, models);
  const known = [predictor.resolutions, ...(latency === undefined ? [] : [latency.profile.resolutions])];
  return {
    space,
    objective: predictor.asObjective(),
    constraints: searchConstraints(request, models),
    resolutions: searchableResolutions(space, known, resolutions),
    describe: (archs) => describeArchs(models, archs),
    frontAxis: frontAxisOf(request),
    goal: request.objective,
    evaluations,
    seed,
    ...(constraints.minTop1 === undefined ? {} : { minScore: constraints.minTop1 + top1Shortfall }),
    ...(maxSeconds === undefined ? {} : { maxSeconds, now: () => performance.now() / 1000 }),
  };
}
