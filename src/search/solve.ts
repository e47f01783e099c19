import { breathe, throwIfAborted } from '../common/work.js';
import { exactFront } from './exact.js';
import { fromArch, type Genome } from './genome.js';
import { findFeasible } from './infeasible.js';
import { probesOfObjective, takeObjectiveApart } from './objective-parts.js';
import { type Run, takeIn, withKeys } from './run.js';

/** The evaluations must be so many times those that finding out about an objective takes at most. */
const PROBES_SHARE = 0.5;

/** The cost that alone decides what is feasible and along which the front runs, where there is one and it adds up over blocks. */
function soleCost({ limits: { list, axis } }: Run) {
  const others = list.filter(({ cost }) => cost !== axis);
  if (others.length > 0 || axis.additive === undefined) return undefined;
  return { additive: axis.additive, max: list[0]?.max ?? Number.POSITIVE_INFINITY };
}

/** Evenly spaced ones of a list, the last one among them. */
function spread<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.floor(((i + 1) * items.length) / most) - 1]!);
}

/**
 * Solves a search exactly where its objective turns out to be a sum over blocks and neighboring blocks and one cost, which is one, too, is
 * limited: the architectures of the exact front are scored and taken in. An objective that says that it is a function with slopes is not asked.
 * @returns whether it was solved; if not, a few evaluations were spent
 */
export async function solveExactly(run: Run): Promise<boolean> {
  const { genetics, options, scorer, isLeftOut } = run;
  const cost = soleCost(run);
  if (cost === undefined || options.objective.encoded !== undefined || isLeftOut('exact')) return false;
  if (genetics.widths > 0 || genetics.stemDepths > 0) return false;
  if (probesOfObjective(genetics) > PROBES_SHARE * options.evaluations) return false;
  if (findFeasible(genetics, options.constraints).length === 0) return false;
  const score = await takeObjectiveApart(genetics, async (genomes) => {
    await breathe(); // others wait for this thread: estimates, cancels
    throwIfAborted(options.signal);
    return scorer.probe(genomes);
  });
  if (score === undefined) return false;
  const { bases, depths, blocks } = cost.additive;
  const { count } = genetics.choices;
  const front = exactFront({
    space: genetics.space,
    resolutions: genetics.resolutions,
    score,
    cost: {
      resolution: (index) => bases[index]!,
      depth: (stage, index, resolution) => depths[resolution]![stage]![index]!,
      unit: (slot, choice, resolution) => blocks[resolution]![slot * count + choice]!,
    },
    maxCost: cost.max,
  });
  const places = spread([...front.points.keys()], scorer.remaining);
  const genomes = places.flatMap((index): Genome[] => {
    const genome = fromArch(genetics, front.archAt(index));
    return genome === undefined ? [] : [genome];
  });
  await takeIn(run, withKeys(run, genomes));
  return true;
}
