import { fromArch, type Genome, type Keyed, randomGenome } from './genome.js';
import { findFeasible } from './infeasible.js';
import { type Run, takeIn, withKeys } from './run.js';
import { shrinkToFit } from './shrink.js';

/** Random architectures that a search begins with, at most a tenth of its evaluations; and of given ones, as a share of that. */
const FIRST_RANDOM = 500;
const FIRST_SHARE = 0.1;
const WARM_SHARE = 0.25;

/** Random genomes made to fit. */
export function immigrants({ options, genetics, rng }: Run, count: number): Genome[] {
  const random = Array.from({ length: count }, () => randomGenome(genetics, rng));
  return shrinkToFit(genetics, random, options.constraints, rng);
}

/** Those that meet the limits, the costliest along the front's axis first: of a front the best. */
function costliest({ limits }: Run, genomes: readonly Genome[]): Genome[] {
  const feasible = genomes.filter((genome) => limits.meets(genome));
  const costs = limits.axis.of(feasible);
  return [...feasible.keys()].sort((a, b) => costs[b]! - costs[a]! || a - b).map((index) => feasible[index]!);
}

/**
 * What a search begins with: of what was given the costliest, the smallest that fit, and random ones made to fit.
 * @returns where climbs may begin, the last one first: the best of what was given and of the others in turn, so that what is known does not keep
 * a search from what is not
 */
export async function scoreFirst(run: Run): Promise<Keyed[]> {
  const { options, genetics, scorer } = run;
  const first = Math.max(1, Math.min(FIRST_RANDOM, Math.floor(FIRST_SHARE * options.evaluations)));
  const given = (options.warmStart ?? []).flatMap((arch) => fromArch(genetics, arch) ?? []);
  const warm = withKeys(run, costliest(run, given).slice(0, Math.ceil(WARM_SHARE * first)));
  // The smallest feasible architectures come before random ones: where little is feasible, they are what there is.
  const smallest = findFeasible(genetics, options.constraints).slice(0, first);
  const others = withKeys(run, [...smallest, ...immigrants(run, first)]);
  await takeIn(run, [...warm, ...others]);
  const scoreOf = ({ key }: Keyed): number => {
    const score = scorer.scoreOf(key);
    return Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
  };
  const byScore = (genomes: readonly Keyed[]): Keyed[] => genomes.toSorted((a, b) => scoreOf(b) - scoreOf(a));
  const [best, rest] = [byScore(warm), byScore(others)];
  const inTurn = Array.from({ length: Math.max(best.length, rest.length) }, (_, i) => [best[i], rest[i]]).flat();
  const unique = new Map(inTurn.flatMap((each) => (each === undefined ? [] : [[each.key, each]])));
  return [...unique.values()].reverse();
}
