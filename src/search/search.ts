import { throwIfAborted } from '../common/work.js';
import { countSubnets } from '../space/count.js';
import { everyGenome, keyed } from './genome.js';
import { belowMinScore, checkFeasibleFast, findFeasible, infeasible } from './infeasible.js';
import { climbAll } from './lanes.js';
import type { SearchOptions, SearchProgress, SearchResult } from './result.js';
import { frontOf, isOutOfTime, type Run, startRun, takeIn, withKeys } from './run.js';
import { solveExactly } from './solve.js';

/** Architectures scored at once when a whole space is listed. */
const LISTING_BATCH = 1_000;

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
  if (distinct <= BigInt(options.evaluations)) await listAll(run);
  else if (!(await solveExactly(run))) await climbAll(run);
  if (run.pool.best === undefined) {
    const { space, constraints, resolutions } = options;
    throw infeasible(space, constraints, checkFeasibleFast(space, constraints, resolutions));
  }
  return finish(run);
}
