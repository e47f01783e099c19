import { throwIfAborted } from '../common/work.js';
import { countSubnets } from '../space/count.js';
import { breed, type Visits } from './breed.js';
import { climbs } from './climb.js';
import { everyGenome, fromArch, type Genome, randomGenome } from './genome.js';
import { belowMinScore, checkFeasibleFast, findFeasible, infeasible } from './infeasible.js';
import type { SearchOptions, SearchProgress, SearchResult } from './result.js';
import { ceilingOf, fillTo, frontOf, isOutOfTime, type Run, startRun, takeIn } from './run.js';
import { shrinkToFit } from './shrink.js';

/** Random architectures that a search begins with, at most a quarter of its evaluations. */
const FIRST_GENERATION = 1_000;
/** Climbs side by side, a step of each per generation, and the share of the evaluations after which they begin. */
const CLIMBS = 4;
const CLIMBS_FROM = 0.15;
/** Generations in a row with hardly anything new after which a search ends: what is feasible and promising has been seen. */
const MAX_FRUITLESS = 100;
/** Share of the offered architectures that must be new and feasible for a generation to count as fruitful. */
const MIN_NEW_SHARE = 0.02;
/** Architectures offered at most, as a multiple of the evaluations: where nearly all of them are known or infeasible, offering costs the time. */
const MAX_OFFERED = 3;
/** Architectures scored at once when a whole space is listed. */
const LISTING_BATCH = 1_000;

/** Scores every architecture of a space that is small enough: nothing is left to chance. */
async function listAll(run: Run): Promise<void> {
  let batch: Genome[] = [];
  for (const genome of everyGenome(run.genetics)) {
    batch.push(genome);
    if (batch.length < LISTING_BATCH) continue;
    await takeIn(run, batch);
    run.generations++;
    batch = [];
    if (isOutOfTime(run)) return;
  }
  await takeIn(run, batch);
  run.generations++;
}

/** The first generation: what was given, the smallest that fit, and random ones made to fit. */
async function begin(run: Run): Promise<void> {
  const { options, genetics, rng } = run;
  const first = Math.max(1, Math.min(FIRST_GENERATION, Math.floor(options.evaluations / 4)));
  const random = Array.from({ length: first }, () => randomGenome(genetics, rng));
  const warm = (options.warmStart ?? []).flatMap((arch) => fromArch(genetics, arch) ?? []);
  // The smallest feasible architectures come before random ones: where little is feasible, they are what there is.
  const smallest = findFeasible(genetics, options.constraints);
  await takeIn(run, [...warm, ...smallest, ...shrinkToFit(genetics, random, options.constraints, rng)]);
  run.generations++;
}

/** Climbs side by side over what a run knows. */
function makeClimbs(run: Run): ReturnType<typeof climbs>[] {
  const { genetics, scorer, pool, rng, limits } = run;
  const shared = { peaks: [], visited: new Set<number>() };
  return Array.from({ length: CLIMBS }, (_, index) =>
    climbs({
      genetics,
      scorer,
      pool,
      rng: rng.fork(`climb ${index}`),
      limits: limits.list,
      axis: limits.axis,
      ceiling: () => ceilingOf(run),
      fill: (genome) => fillTo(run, genome, Number.POSITIVE_INFINITY),
      shared,
    }),
  );
}

async function evolve(run: Run): Promise<void> {
  const { options, scorer, pool } = run;
  await begin(run);
  if (pool.elite.length === 0) return; // nothing is feasible
  const visits: Visits = new Map();
  const side = options.without?.includes('climbs') ? [] : makeClimbs(run);
  let fruitless = 0;
  let left = MAX_OFFERED * options.evaluations;
  while (scorer.remaining > 0 && left > 0 && fruitless < MAX_FRUITLESS && !isOutOfTime(run)) {
    const before = scorer.evaluations;
    let offered = breed(run, visits);
    const active = scorer.evaluations >= CLIMBS_FROM * options.evaluations ? side : [];
    let count = 0;
    // Each climb's step has two halves; the generation goes with the first, so that batches are few and large.
    for (let half = 0; half < (active.length > 0 ? 2 : 1); half++) {
      const wanted = active.map((climb) => climb.next().value);
      const genomesOf = (regardless: boolean): Genome[] =>
        wanted.flatMap((each) => (each.regardless === regardless ? each.genomes : []));
      const genomes = [...offered, ...genomesOf(false)];
      const regardless = genomesOf(true);
      await takeIn(run, genomes, regardless);
      count += genomes.length + regardless.length;
      offered = [];
    }
    run.generations++;
    left -= count;
    fruitless = scorer.evaluations - before <= MIN_NEW_SHARE * count ? fruitless + 1 : 0;
  }
}

function finish(run: Run): SearchResult {
  const { options, pool, scorer, history, generations } = run;
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
    generations,
    history: isListed ? history : [...history, last],
    cutShort: scorer.remaining > 0 && isOutOfTime(run),
  };
}

/**
 * Finds the architecture of the highest score that meets every constraint (or, by `goal`, the cheapest that scores well enough), and the
 * front of score against one cost.
 *
 * Evolution (Real et al. 2019; Cai et al. 2020, section 3.4) in which nothing is scored twice, children are brought to the limits by a
 * learned surrogate before they are scored, and climbs from peak to peak run beside it; docs/method.md says what each gives.
 * A space no larger than the budget is listed completely. Pure: the same options give the same result, but for a time limit.
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
