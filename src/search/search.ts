import { throwIfAborted } from '../common/work.js';
import { countSubnets } from '../space/count.js';
import { begin, idleClimb, type Peaks, propose, settle } from './climb.js';
import { everyGenome, fromArch, type Genome, type Keyed, keyed, randomGenome } from './genome.js';
import { belowMinScore, checkFeasibleFast, findFeasible, infeasible } from './infeasible.js';
import type { SearchOptions, SearchProgress, SearchResult } from './result.js';
import { frontOf, isOutOfTime, type Run, startRun, takeIn } from './run.js';
import { shrinkToFit } from './shrink.js';

/** Random architectures that a search begins with, at most a tenth of its evaluations; and of given ones, as a share of that. */
const FIRST_RANDOM = 500;
const FIRST_SHARE = 0.1;
const WARM_SHARE = 0.25;
/** Climbs side by side at most, so that batches are large, and the evaluations that each should have at least. */
const CLIMBS = 64;
const EVALUATIONS_PER_CLIMB = 300;
/** Rounds in a row with hardly anything new after which a search ends: what is feasible and promising has been seen. */
const MAX_FRUITLESS = 25;
/**
 * Looks around centers after which a search ends, as a share of its evaluations, and at least: where nearly all is known, looking costs the
 * time. As a rule a look brings 14 evaluations.
 */
const MAX_LOOKS_SHARE = 0.25;
const MAX_LOOKS_LEAST = 8_000;
/** Share of the offered architectures that must be new and feasible for a round to count as fruitful. */
const MIN_NEW_SHARE = 0.02;
/** Architectures scored at once when a whole space is listed. */
const LISTING_BATCH = 1_000;

const withKeys = ({ genetics }: Run, genomes: readonly Genome[]): Keyed[] =>
  genomes.map((genome) => keyed(genetics, genome));

/** Scores every architecture of a space that is small enough: nothing is left to chance. */
async function listAll(run: Run): Promise<void> {
  const { genetics, options } = run;
  let batch = withKeys(run, findFeasible(genetics, options.constraints)); // first, in case that time ends early
  for (const genome of everyGenome(genetics)) {
    batch.push(keyed(genetics, genome));
    if (batch.length < LISTING_BATCH) continue;
    await takeIn(run, batch);
    batch = [];
    if (isOutOfTime(run)) return;
  }
  await takeIn(run, batch);
}

/** Random genomes made to fit. */
function immigrants({ options, genetics, rng }: Run, count: number): Genome[] {
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
async function scoreFirst(run: Run): Promise<Keyed[]> {
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

/** Lists one after the other; `flat` takes ten times as long. */
function joined<T>(lists: readonly (readonly T[])[]): T[] {
  const all: T[] = [];
  for (const list of lists) for (const each of list) all.push(each);
  return all;
}

async function climbAll(run: Run): Promise<void> {
  const { options, scorer, pool } = run;
  const starts = await scoreFirst(run);
  if (pool.best === undefined) return; // nothing is feasible
  const count = Math.max(1, Math.min(CLIMBS, Math.floor(options.evaluations / EVALUATIONS_PER_CLIMB)));
  const climbs = Array.from({ length: count }, idleClimb);
  const peaks: Peaks = { highest: [], visited: new Set(), starts: starts.slice(-count) };
  let fruitless = 0;
  let looks = Math.max(MAX_LOOKS_LEAST, MAX_LOOKS_SHARE * options.evaluations);
  while (scorer.remaining > 0 && fruitless < MAX_FRUITLESS && looks > 0 && !isOutOfTime(run)) {
    const before = scorer.scored;
    const centers = climbs.map((climb) => climb.center ?? begin(run, peaks, climb));
    const guesses = await scorer.guesses(centers);
    looks -= centers.length;
    const proposed = guesses.map((guess, index) => propose(run, climbs[index]!, guess));
    const offered = guesses.length > 0 ? joined(proposed) : withKeys(run, immigrants(run, scorer.remaining));
    await takeIn(run, offered);
    for (const [index, climb] of climbs.entries()) settle(run, peaks, climb, proposed[index] ?? []);
    fruitless = scorer.scored - before <= MIN_NEW_SHARE * offered.length ? fruitless + 1 : 0;
  }
}

function finish(run: Run): SearchResult {
  const { options, pool, scorer, history } = run;
  const { minScore = Number.NEGATIVE_INFINITY, goal = 'accuracy' } = options;
  const highest = pool.front[pool.front.length - 1]!.score;
  if (highest < minScore) throw belowMinScore(options.space.id, minScore, highest);
  const front = frontOf(run);
  const best = goal === 'accuracy' ? front[front.length - 1]! : front[0]!;
  const last: SearchProgress = {
    evaluations: scorer.evaluations,
    bestTop1: best.predictedTop1,
    frontSize: pool.front.length,
  };
  options.onProgress?.(last, () => front);
  const isListed = history[history.length - 1]?.evaluations === last.evaluations;
  return {
    best,
    paretoFront: front,
    evaluations: scorer.evaluations,
    history: isListed ? history : [...history, last],
    cutShort: run.isCutShort,
  };
}

/**
 * Finds the architecture of the highest score that meets every constraint (or, by `goal`, the cheapest that scores well enough), and the
 * front of score against one cost.
 *
 * A memetic search (Moscato 1989; the evolution of Cai et al. 2020, section 3.4, between peaks): climbs run side by side, each step along
 * the objective's slopes; new ones begin between the peaks found so far, and along the front. Nothing is scored twice. docs/method.md says
 * what each part gives.
 * A space no larger than the budget is listed completely. Pure: the same options give the same result, but for a time limit.
 * @throws BespokeError `infeasible-constraints` with the binding constraints and the nearest feasible values
 * @throws the signal's reason when aborted
 */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const run = startRun(options);
  throwIfAborted(options.signal);
  const distinct = countSubnets(options.space) * BigInt(run.genetics.resolutions.length);
  await (distinct <= BigInt(options.evaluations) ? listAll(run) : climbAll(run));
  if (run.pool.best === undefined) {
    const { space, constraints, resolutions } = options;
    throw infeasible(space, constraints, checkFeasibleFast(space, constraints, resolutions));
  }
  return finish(run);
}
