import type { SearchSpace } from '../space/types.js';
import { applyChannelSort, planChannelSort } from '../supernet/sort-channels.js';
import type { OptimizerState } from './optimizer.js';
import { flatten, type ParameterLayout, unflatten } from './parameter-layout.js';
import type { ElasticChoices } from './recipe.js';

/**
 * Sorts hidden channels by importance in the weights and in everything of their shape that training keeps, in place:
 * momentum moves with its weight.
 * @param opened choices of the phases so far
 */
export function sortStateChannels(
  space: SearchSpace,
  layout: ParameterLayout,
  state: OptimizerState & { readonly average: Float32Array },
  opened: readonly ElasticChoices[],
): void {
  const ratios = [...new Set(opened.flatMap(({ expandRatios }) => expandRatios))];
  const sort = planChannelSort(space, unflatten(layout, state.weights), ratios);
  for (const vector of [state.weights, state.velocity, state.secondMoment, state.average]) {
    if (vector.length > 0) flatten(layout, applyChannelSort(sort, unflatten(layout, vector)), vector);
  }
}
