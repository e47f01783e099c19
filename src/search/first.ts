import { fromArch, type Genome, type Keyed, randomGenome } from './genome.js';
import { findFeasible } from './infeasible.js';
import { type Run, takeIn, withKeys } from './run.js';
import { shrinkToFit } from './shrink.js';

/** Random architectures that a search begins with, at most a tenth of its evaluations; and of given ones, as a share of that. */
const FIRST_RANDOM = 500;
const FIRST_SHARE = 0.1;
const WARM_SHARE = 0.25;

/** Random genomes made to fit. */
export function immigrants({ genetics, limits, rng }: Run, count: number): Genome[] {
  const random: Genome[] = [];
  for (let made = 0; made < count; made++) random.push(randomGenome(genetics, rng));
  return shrinkToFit(genetics, random, limits, rng);
}

/** Those that meet the limits, the costliest along the front's axis first: of a front the best. */
function costliest({ limits }: Run, genomes: readonly Genome[]): Genome[] {
  const meets = limits.meetEach(genomes);
  const feasible = genomes.filter((_, index) => meets[index] === 1);
  const costs = limits.axis.of(feasible);
  return [...feasible.keys()].sort((a, b) => costs[b]! - costs[a]! || a - b).map((index) => feasible[index]!);
}

/** By descending score; those without one come last. */
function byScore({ scorer }: Run, genomes: readonly Keyed[]): Keyed[] {
  const scores = new Float64Array(genomes.length);
  const places: number[] = [];
  for (let place = 0; place < genomes.length; place++) {
    const score = scorer.scoreOf(genomes[place]!.key);
    scores[place] = Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
    places.push(place);
  }
  places.sort((a, b) => (scores[a] === scores[b] ? a - b : scores[b]! - scores[a]!));
  return places.map((place) => genomes[place]!);
}

/**
 * What a search begins with: of what was given the costliest, the smallest that fit, and random ones made to fit.
 * @returns where climbs may begin, the last one first: the best of what was given and of the others in turn, so that what is known does not keep
 * a search from what is not
 */
export async function scoreFirst(run: Run): Promise<Keyed[]> {
  const { options, genetics } = run;
  const first = Math.max(1, Math.min(FIRST_RANDOM, Math.floor(FIRST_SHARE * options.evaluations)));
  const given = (options.warmStart ?? []).flatMap((arch) => fromArch(genetics, arch) ?? []);
  const warm = withKeys(run, costliest(run, given).slice(0, Math.ceil(WARM_SHARE * first)));
  // The smallest feasible architectures come before random ones: where little is feasible, they are what there is.
  const smallest = findFeasible(genetics, options.constraints).slice(0, first);
  const others = withKeys(run, [...smallest, ...immigrants(run, first)]);
  await takeIn(run, [...warm, ...others]);
  const [best, rest] = [byScore(run, warm), byScore(run, others)];
  const unique = new Map<number, Keyed>();
  for (let place = 0; place < Math.max(best.length, rest.length); place++) {
    for (const each of [best[place], rest[place]]) if (each !== undefined) unique.set(each.key, each);
  }
  return [...unique.values()].reverse();
}
