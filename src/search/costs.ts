import { invariant } from '../common/invariant.js';
import type { Arch } from '../space/types.js';
import type { CandidateFigures } from './result.js';
import type { Constraint } from './types.js';

/** The figure that a constraint's id bounds, for a front along a cost that is not limited. */
const FIGURE_OF_AXIS = new Map<string, (figures: CandidateFigures) => number | undefined>([
  ['macs', ({ macs }) => macs],
  ['maxMacs', ({ macs }) => macs],
  ['maxParams', ({ params }) => params],
  ['maxModelBytes', ({ modelBytes }) => modelBytes],
  ['maxPeakMemoryBytes', ({ peakMemoryBytes }) => peakMemoryBytes],
  ['maxLatencyMs', ({ predictedLatencyMs }) => predictedLatencyMs],
]);

/** A cost per architecture. */
export type CostFunction = (archs: readonly Arch[]) => Float64Array;

/** The cost that a search's front runs along. */
export function axisCost(
  frontAxis: string,
  constraints: readonly Constraint[],
  describe: (archs: readonly Arch[]) => readonly CandidateFigures[],
): CostFunction {
  const limited = constraints.find(({ id }) => id === frontAxis);
  if (limited !== undefined) return (archs) => limited.cost(archs);
  const figure = FIGURE_OF_AXIS.get(frontAxis);
  invariant(figure !== undefined, () => `there is no cost named ${frontAxis}`);
  return (archs) =>
    Float64Array.from(describe(archs), (figures) => {
      const cost = figure(figures);
      invariant(cost !== undefined, () => `the candidates' figures have no ${frontAxis}`);
      return cost;
    });
}
