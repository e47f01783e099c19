import { BespokeError } from '../common/errors.js';
import { nearestResolutions } from '../hardware/nearest.js';
import type { LatencyModel } from '../hardware/types.js';
import type { Constraint } from '../search/types.js';
import type { CostTable } from '../space/cost-table.js';
import type { SearchSpace } from '../space/types.js';
import { latencyFactorOf } from './confidence.js';
import type { SpecializationRequest } from './types.js';

/** What can be predicted of an architecture without its weights. */
export interface CostModels {
  readonly costs: CostTable;
  readonly latency: LatencyModel | undefined;
}

/**
 * The request's upper limits as constraints of the search; `minTop1` is a bound on the objective and not among them. With a confidence,
 * the latency's cost is its upper bound at that confidence.
 * @throws BespokeError `no-latency-data` if a latency is limited and the hardware type has no model for the space, or not that statistic
 */
export function searchConstraints(request: SpecializationRequest, { costs, latency }: CostModels): Constraint[] {
  const { constraints } = request;
  const limits: Constraint[] = [];
  if (request.objective === 'latency') latencyModelFor(request, latency, '/objective'); // there must be something to minimize
  const limit = (id: string, max: number | undefined, cost: Constraint['cost']): void => {
    if (max !== undefined) limits.push({ id, max, cost });
  };
  if (constraints.maxLatencyMs !== undefined) {
    const model = latencyModelFor(request, latency, '/constraints/maxLatencyMs');
    const factor = latencyFactorOf(request, model);
    limit('maxLatencyMs', constraints.maxLatencyMs, (archs) =>
      factor === 1 ? model.predict(archs) : model.predict(archs).map((ms) => factor * ms),
    );
  }
  limit('maxMacs', constraints.maxMacs, (archs) => costs.macs(archs));
  limit('maxParams', constraints.maxParams, (archs) => costs.params(archs));
  limit('maxModelBytes', constraints.maxModelBytes, (archs) => costs.modelBytes(archs));
  limit('maxPeakMemoryBytes', constraints.maxPeakMemoryBytes, (archs) => costs.peakMemoryBytes(archs));
  return limits;
}

function latencyModelFor(
  { constraints, hardwareId }: SpecializationRequest,
  latency: LatencyModel | undefined,
  pointer: '/constraints/maxLatencyMs' | '/objective',
): LatencyModel {
  if (latency === undefined) {
    throw new BespokeError(
      'no-latency-data',
      `${pointer}: the hardware type "${hardwareId}" has no latency model for this search space`,
    );
  }
  const { statistic } = latency.profile;
  const asked = constraints.latencyStatistic ?? statistic;
  if (asked !== statistic) {
    throw new BespokeError(
      'no-latency-data',
      `/constraints/latencyStatistic: the latency model of "${hardwareId}" gives ${statistic}, got ${asked}`,
    );
  }
  return latency;
}

/**
 * Resolutions that can be searched: those of the space that predictor and latency model know, narrowed to the asked ones.
 * @throws BespokeError `invalid-request` if an asked one is not among them, `no-latency-data` if there are none at all
 */
export function searchableResolutions(
  space: SearchSpace,
  known: readonly (readonly number[])[],
  asked?: readonly number[],
): readonly number[] {
  const searchable = space.resolutions.filter((resolution) => known.every((list) => list.includes(resolution)));
  if (searchable.length === 0) {
    const lists = known.map((list) => list.join(', ')).join(' and those of ');
    throw new BespokeError(
      'no-latency-data',
      `no resolution of "${space.id}" can be searched: accuracy predictor and latency model have none in common (${lists})`,
    );
  }
  if (asked === undefined) return searchable;
  const unknown = asked.filter((resolution) => !searchable.includes(resolution));
  const [first] = unknown;
  if (first !== undefined) {
    const nearest = nearestResolutions(searchable, first);
    throw new BespokeError(
      'invalid-request',
      `/resolutions: ${unknown.join(', ')} cannot be searched in "${space.id}"; searchable are ${searchable.join(', ')}, nearest ${nearest.join(' and ')}`,
      { errors: [{ pointer: '/resolutions', detail: `searchable are ${searchable.join(', ')}` }] },
    );
  }
  return searchable.filter((resolution) => asked.includes(resolution));
}
