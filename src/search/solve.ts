import { invariant } from '../common/invariant.js';
import { nextStep, throwIfAborted } from '../common/work.js';
import { type ExactFront, exactFront } from './exact.js';
import { fromArch, type Genome } from './genome.js';
import { findFeasible } from './infeasible.js';
import { ROUNDING } from './limits.js';
import { probesOfObjective, takeObjectiveApart } from './objective-parts.js';
import { firstWhere } from './pool.js';
import { isOutOfTime, type Run, takeIn, withKeys } from './run.js';

/** What finding out about an objective may take of the evaluations. */
const PROBES_SHARE = 0.5;
/** Random architectures that its terms are checked on, as a share of the evaluations, and at most. */
const CHECKS_SHARE = 0.02;
const MOST_CHECKS = 1_000;
/** Points on either side of the cheapest that is good enough that are scored in any case: terms tell scores to their rounding alone. */
const NEAR = 8;

/** The cost that alone decides what is feasible and along which the front runs, where there is one and it adds up over blocks. */
function soleCost({ limits: { list, axis } }: Run) {
  const others = list.filter(({ cost }) => cost !== axis);
  if (others.length > 0 || axis.additive === undefined) return undefined;
  const max = list[0]?.max ?? Number.POSITIVE_INFINITY;
  // Closer to the limit the constraint itself is asked, so that what may meet it is solved for.
  return { additive: axis.additive, max: Number.isFinite(max) ? max + ROUNDING * Math.abs(max) : max };
}

/** `most` of the first `count` indices, evenly spaced, the last one among them. */
function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.floor(((i + 1) * count) / most) - 1);
}

/** What is scored of a front: all, or as many as may be, among them the best and, where a cost is minimized, those around the cheapest that is good enough. */
function genomesOf({ genetics, options, scorer, limits }: Run, { points, archAt }: ExactFront): Genome[] {
  const { goal = 'accuracy', minScore = Number.NEGATIVE_INFINITY } = options;
  const genomeAt = (index: number): Genome => {
    const genome = fromArch(genetics, archAt(index));
    invariant(genome !== undefined, () => `point ${index} of the front is of another space`);
    return genome;
  };
  let count = points.length;
  while (count > 0 && !limits.meets(genomeAt(count - 1))) count--; // above the limit by rounding
  if (goal === 'accuracy' || count <= scorer.remaining) return spread(count, scorer.remaining).map(genomeAt);
  const cheapest = firstWhere(count, (index) => points[index]!.score >= minScore);
  const near = Array.from({ length: 2 * NEAR + 1 }, (_, i) => cheapest - NEAR + i).filter((i) => i >= 0 && i < count);
  return [...new Set([...near, ...spread(count, scorer.remaining - near.length)])].map(genomeAt);
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
  if (probesOfObjective(genetics) > PROBES_SHARE * options.evaluations) return false;
  if (findFeasible(genetics, options.constraints).length === 0) return false;
  const ask = async (genomes: readonly Genome[]): Promise<Float32Array> => {
    await nextStep(options); // others wait for this thread: estimates, cancels
    return scorer.probe(genomes);
  };
  const checks = Math.min(MOST_CHECKS, Math.floor(CHECKS_SHARE * options.evaluations));
  const score = await takeObjectiveApart(genetics, ask, checks);
  throwIfAborted(options.signal);
  if (score === undefined || isOutOfTime(run)) return false; // the climbs give what there is
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
  await takeIn(run, withKeys(run, genomesOf(run, front)));
  return true;
}
