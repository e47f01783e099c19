import { BespokeError } from '../common/errors.js';
import type { LatencyModel } from '../hardware/types.js';
import type { Constraint } from '../search/types.js';
import type { CostTable } from '../space/cost-table.js';
import type { SearchSpace } from '../space/types.js';
import type { SpecializationRequest } from './types.js';

/** What can be predicted of an architecture without its weights. */
export interface CostModels {
  readonly costs: CostTable;
  readonly latency: LatencyModel | undefined;
}

/**
 * The request's upper limits as constraints of the search; `minTop1` is a bound on the objective and not among them.
 * @throws BespokeError `no-latency-data` if a latency is limited and the hardware type has no model for the space, or not that statistic
 */
export function searchConstraints(request: SpecializationRequest, { costs, latency }: CostModels): Constraint[] {
  const { constraints } = request;
  const limits: Constraint[] = [];
  const limit = (id: string, max: number | undefined, cost: Constraint['cost']): void => {
    if (max !== undefined) limits.push({ id, max, cost });
  };
  if (constraints.maxLatencyMs !== undefined) {
    const model = latencyModelFor(request, latency);
    limit('maxLatencyMs', constraints.maxLatencyMs, (archs) => model.predict(archs));
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
): LatencyModel {
  if (latency === undefined) {
    throw new BespokeError(
      'no-latency-data',
      `/constraints/maxLatencyMs: the hardware type "${hardwareId}" has no latency model for this search space`,
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
 * @throws BespokeError `invalid-request` if none of the asked ones is among them
 */
export function searchableResolutions(
  space: SearchSpace,
  known: readonly (readonly number[])[],
  asked?: readonly number[],
): readonly number[] {
  const searchable = space.resolutions.filter((resolution) => known.every((list) => list.includes(resolution)));
  if (asked === undefined) return searchable;
  const unknown = asked.filter((resolution) => !searchable.includes(resolution));
  if (unknown.length > 0) {
    throw new BespokeError(
      'invalid-request',
      `/resolutions: ${unknown.join(', ')} cannot be searched in "${space.id}"; searchable are ${searchable.join(', ')}`,
      { errors: [{ pointer: '/resolutions', detail: `searchable are ${searchable.join(', ')}` }] },
    );
  }
  return searchable.filter((resolution) => asked.includes(resolution));
}
