import { invariant } from '../common/invariant.js';
import { makeRng, type Rng } from '../common/rng.js';
import { breathe, throwIfAborted } from '../common/work.js';
import { archId } from '../space/arch.js';
import { countSubnets } from '../space/count.js';
import { axisCost } from './costs.js';
import {
  crossGenomes,
  everyGenome,
  fromArch,
  type Genetics,
  type Genome,
  genomeKey,
  makeGenetics,
  mutateGenome,
  randomGenome,
} from './genome.js';
import { belowMinScore, checkFeasibleFast, findFeasible, infeasible } from './infeasible.js';
import { makePool, type Pool } from './pool.js';
import type { SearchOptions, SearchProgress, SearchResult } from './result.js';
import { makeScorer, type Scored, type Scorer } from './scorer.js';
import { shrinkToFit } from './shrink.js';
import { makeSurrogate, type Surrogate } from './surrogate.js';
import { type Limit, promisingSwaps } from './swaps.js';
import type { Candidate } from './types.js';

/** Random architectures that a search begins with, at most a quarter of its evaluations. */
const FIRST_GENERATION = 1_000;
/** Architectures offered per generation by evolution and per center by swaps, at most; and generations that a budget is spread over at least. */
const CHILDREN = 100;
const SWAPS_PER_CENTER = 50;
const MIN_GENERATIONS = 50;
/** Random architectures per generation, against stalling. */
const IMMIGRANTS = 4;
/** Centers per generation whose swaps are tried: from the best, and from the front (looking for better at no more cost). */
const BEST_CENTERS = 1;
const FRONT_CENTERS = 1;
/** How often a best center is the best of one resolution and not of all. */
const NICHE_CENTER_CHANCE = 0.3;
/** A best architecture is a center this often before the next best is. */
const VISITS_PER_CENTER = 3;
/** Chance of each gene to be drawn anew, about one gene in 26; and of a child having two parents. */
const MUTATION_CHANCE = 0.05;
const CROSSOVER_CHANCE = 0.5;
/** Generations in a row with hardly anything new after which a search ends: what is feasible and promising has been seen. */
const MAX_FRUITLESS = 100;
/** Share of the offered architectures that must be new and feasible for a generation to count as fruitful. */
const MIN_NEW_SHARE = 0.02;
/** Architectures offered at most, as a multiple of the evaluations: where nearly all of them are known or infeasible, offering costs the time. */
const MAX_OFFERED = 3;
/** Architectures scored at once when a whole space is listed. */
const LISTING_BATCH = 1_000;
/** Points of the history. */
const HISTORY_POINTS = 100;
/** Generations between turns of the event loop. */
const BREATHE_EVERY = 8;

/** A search under way. Mutable in its scorer, pool, surrogate, rng and counters. */
interface Run {
  readonly options: SearchOptions;
  readonly genetics: Genetics;
  readonly surrogate: Surrogate;
  readonly scorer: Scorer;
  readonly pool: Pool;
  readonly rng: Rng;
  readonly visits: Map<number, number>;
  readonly history: SearchProgress[];
  readonly deadline: number;
  generations: number;
}

/** Along what the front runs: the goal's cost, or else what was asked. */
function axisOf({ goal = 'accuracy', frontAxis }: SearchOptions): string {
  if (goal === 'accuracy') return frontAxis;
  return goal === 'latency' ? 'maxLatencyMs' : 'macs';
}

function startRun(options: SearchOptions): Run {
  const { space, constraints, objective, evaluations, now, maxSeconds } = options;
  invariant(evaluations >= 1, () => `a search needs at least one evaluation, got ${evaluations}`);
  const genetics = makeGenetics(space, options.resolutions);
  const surrogate = makeSurrogate(genetics);
  const axis = axisCost(axisOf(options), constraints, options.describe);
  return {
    options,
    genetics,
    surrogate,
    scorer: makeScorer({ genetics, objective, constraints, axis, surrogate, budget: evaluations }),
    pool: makePool(),
    rng: makeRng(options.seed).fork('search'),
    visits: new Map(),
    history: [],
    deadline: now === undefined || maxSeconds === undefined ? Number.POSITIVE_INFINITY : now() + maxSeconds,
    generations: 0,
  };
}

const isOutOfTime = ({ options, deadline }: Run): boolean => (options.now?.() ?? 0) >= deadline;

/** Scores a generation and takes it into pool, history and progress. */
async function takeIn(run: Run, genomes: readonly Genome[]): Promise<void> {
  const { scorer, pool, options, history } = run;
  pool.absorb(await scorer.score(genomes));
  run.generations++;
  if (run.generations % BREATHE_EVERY === 0) await breathe();
  throwIfAborted(options.signal);
  const best = pool.elite[0];
  if (best === undefined) return;
  const point = { evaluations: scorer.evaluations, bestTop1: best.score, frontSize: pool.front.length };
  const last = history[history.length - 1];
  const isDue = (point.evaluations - (last?.evaluations ?? 0)) * HISTORY_POINTS >= options.evaluations;
  if (last === undefined || isDue) {
    history.push(point);
    options.onProgress?.(point, () => frontOf(run));
  }
}

/** Scores every architecture of a space that is small enough: nothing is left to chance. */
async function listAll(run: Run): Promise<void> {
  let batch: Genome[] = [];
  for (const genome of everyGenome(run.genetics)) {
    batch.push(genome);
    if (batch.length < LISTING_BATCH) continue;
    await takeIn(run, batch);
    batch = [];
    if (isOutOfTime(run)) return;
  }
  await takeIn(run, batch);
}

/** Centers of this generation, each with the most that it may cost along the front axis. */
function pickCenters({ genetics, pool, visits, rng }: Run): { center: Scored; maxCost: number }[] {
  const centers: { center: Scored; maxCost: number }[] = [];
  const visitsOf = ({ genome }: Scored): number => visits.get(genomeKey(genetics, genome)) ?? 0;
  for (let i = 0; i < BEST_CENTERS; i++) {
    const from = rng.chance(NICHE_CENTER_CHANCE) ? pool.pickNiche(rng) : pool.elite;
    const center = from.find((each) => visitsOf(each) < VISITS_PER_CENTER) ?? rng.pick(from);
    visits.set(genomeKey(genetics, center.genome), visitsOf(center) + 1);
    centers.push({ center, maxCost: Number.POSITIVE_INFINITY });
  }
  for (let i = 0; i < FRONT_CENTERS; i++) {
    const center = rng.pick(pool.front);
    centers.push({ center, maxCost: center.cost });
  }
  return centers;
}

/** The next generation: children of mutation and crossover, swaps around centers, a few immigrants. */
function breed(run: Run): Genome[] {
  const { genetics, pool, rng, surrogate, scorer, options } = run;
  const offered: Genome[] = [];
  const share = Math.ceil(options.evaluations / MIN_GENERATIONS);
  const children = Math.min(CHILDREN, share);
  const count = Math.min(SWAPS_PER_CENTER, Math.ceil(share / 2));
  const limits: Limit[] = options.constraints.map((constraint) => ({
    cost: (archs) => constraint.cost(archs),
    max: constraint.max,
  }));
  const axis = axisCost(axisOf(options), options.constraints, options.describe);
  for (const { center, maxCost } of pickCenters(run)) {
    const within = Number.isFinite(maxCost) ? [...limits, { cost: axis, max: maxCost }] : limits;
    offered.push(...promisingSwaps(center, { genetics, surrogate, scorer, limits: within, count }));
  }
  for (let i = 0; i < children; i++) {
    const [first, second] = pool.pickParents(rng);
    offered.push(
      rng.chance(CROSSOVER_CHANCE)
        ? crossGenomes(genetics, first.genome, second.genome, rng)
        : mutateGenome(genetics, first.genome, MUTATION_CHANCE, rng),
    );
  }
  const immigrants = Array.from({ length: IMMIGRANTS }, () => randomGenome(genetics, rng));
  offered.push(...shrinkToFit(genetics, immigrants, options.constraints, rng));
  return offered;
}

async function evolve(run: Run): Promise<void> {
  const { options, genetics, rng, scorer } = run;
  const first = Math.max(1, Math.min(FIRST_GENERATION, Math.floor(options.evaluations / 4)));
  const random = Array.from({ length: first }, () => randomGenome(genetics, rng));
  // The smallest feasible architectures come first: where little is feasible, they are what there is.
  const smallest = findFeasible(genetics, options.constraints);
  const warm = (options.warmStart ?? []).flatMap((arch) => fromArch(genetics, arch) ?? []);
  await takeIn(run, [...warm, ...smallest, ...shrinkToFit(genetics, random, options.constraints, rng)]);
  if (run.pool.elite.length === 0) return; // nothing is feasible
  let fruitless = 0;
  let left = MAX_OFFERED * options.evaluations;
  while (scorer.remaining > 0 && left > 0 && fruitless < MAX_FRUITLESS && !isOutOfTime(run)) {
    const before = scorer.evaluations;
    const offered = breed(run);
    await takeIn(run, offered);
    left -= offered.length;
    fruitless = scorer.evaluations - before <= MIN_NEW_SHARE * offered.length ? fruitless + 1 : 0;
  }
}

function candidatesOf({ options }: Run, scored: readonly Scored[]): Candidate[] {
  const { space } = options;
  const figures = options.describe(scored.map(({ arch }) => arch));
  return scored.map(({ arch, score }, index) => ({
    arch,
    archId: archId(space, arch),
    predictedTop1: score,
    ...figures[index]!,
  }));
}

/** Candidates of the front that score well enough, by ascending cost. */
function frontOf(run: Run): Candidate[] {
  const { minScore = Number.NEGATIVE_INFINITY } = run.options;
  return candidatesOf(
    run,
    run.pool.front.filter(({ score }) => score >= minScore),
  );
}

function finish(run: Run): SearchResult {
  const { options, pool, scorer, history, generations } = run;
  const { minScore = Number.NEGATIVE_INFINITY } = options;
  const bestScore = pool.elite[0]!.score;
  if (bestScore < minScore) throw belowMinScore(options.space.id, minScore, bestScore);
  const front = frontOf(run);
  const last: SearchProgress = { evaluations: scorer.evaluations, bestTop1: bestScore, frontSize: pool.front.length };
  options.onProgress?.(last, () => front);
  const isListed = history[history.length - 1]?.evaluations === last.evaluations;
  return {
    best: (options.goal ?? 'accuracy') === 'accuracy' ? front[front.length - 1]! : front[0]!,
    paretoFront: front,
    evaluations: scorer.evaluations,
    generations,
    history: isListed ? history : [...history, last],
    cutShort: scorer.remaining > 0 && isOutOfTime(run),
  };
}

/**
 * Finds the architecture of the highest score that meets every constraint, and the front of score against one cost.
 *
 * Evolution as published (Real et al. 2019; Cai et al. 2020, section 3.4), with three changes that its measured regret asked for:
 * nothing is scored twice; parents come from the front along the cost axis too; and around the best ones, pairs of changes are tried
 * in the order of a surrogate's guess. A space no larger than the budget is listed completely.
 * Pure: the same options give the same result, but for a time limit.
 * @throws BespokeError `infeasible-constraints` with the binding constraints and the nearest feasible values
 * @throws the signal's reason when aborted
 */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const run = startRun(options);
  throwIfAborted(options.signal);
  const distinct = countSubnets(options.space) * BigInt(run.genetics.resolutions.length);
  await (distinct <= BigInt(options.evaluations) ? listAll(run) : evolve(run));
  if (run.pool.elite.length === 0) {
    const { space, constraints, resolutions } = options;
    throw infeasible(space, constraints, checkFeasibleFast(space, constraints, resolutions));
  }
  return finish(run);
}
