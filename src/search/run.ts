import { invariant } from '../common/invariant.js';
import { makeRng, type Rng } from '../common/rng.js';
import { breathe, throwIfAborted } from '../common/work.js';
import { archId } from '../space/arch.js';
import { axisCost } from './costs.js';
import { type AdditiveLimit, fill } from './fill.js';
import { type Genetics, type Genome, makeGenetics } from './genome.js';
import { type Limits, makeLimits } from './limits.js';
import { type Merit, makePool, type Pool } from './pool.js';
import type { SearchOptions, SearchProgress } from './result.js';
import { makeScorer, type Scored, type Scorer } from './scorer.js';
import { makeSurrogate, type Surrogate } from './surrogate.js';
import type { Candidate } from './types.js';

/** Points of the history. */
const HISTORY_POINTS = 100;
/** Batches between turns of the event loop. */
const BREATHE_EVERY = 4;
/** How far below the cheapest that is good enough the next one is looked for, where a cost is minimized. */
const CHEAPER = 1 - 1e-9;

/** A search under way. Mutable in its scorer, pool, surrogate, rng and counters. */
export interface Run {
  readonly options: SearchOptions;
  readonly genetics: Genetics;
  readonly surrogate: Surrogate;
  readonly limits: Limits;
  readonly scorer: Scorer;
  readonly pool: Pool;
  readonly rng: Rng;
  readonly history: SearchProgress[];
  readonly deadline: number;
  batches: number;
  generations: number;
}

/** Along what the front runs: the goal's cost, or else what was asked. */
function axisOf({ goal = 'accuracy', frontAxis }: SearchOptions): string {
  if (goal === 'accuracy') return frontAxis;
  return goal === 'latency' ? 'maxLatencyMs' : 'macs';
}

/** The best of the front: of the highest score, or the cheapest that is good enough. */
function meritOf({ goal = 'accuracy', minScore = Number.NEGATIVE_INFINITY }: SearchOptions): Merit {
  if (goal === 'accuracy') return ({ score }) => score;
  // 1 / (1 + cost) lies in 0..1 and falls with the cost; what is not good enough comes after, by its score's lack.
  return ({ score, cost }) => (score >= minScore ? 1 / (1 + cost) : score - minScore);
}

/** Begins a search: nothing is scored yet. */
export function startRun(options: SearchOptions): Run {
  const { space, constraints, objective, evaluations, now, maxSeconds } = options;
  invariant(evaluations >= 1, () => `a search needs at least one evaluation, got ${evaluations}`);
  const genetics = makeGenetics(space, options.resolutions);
  const surrogate = makeSurrogate(genetics);
  const axisId = axisOf(options);
  const axis = axisCost(axisId, constraints, options.describe);
  const limits = makeLimits(genetics, constraints, { axis, axisId });
  return {
    options,
    genetics,
    surrogate,
    limits,
    scorer: makeScorer({ genetics, objective, limits, surrogate, budget: evaluations }),
    pool: makePool(meritOf(options), options.without),
    rng: makeRng(options.seed).fork('search'),
    history: [],
    deadline: now === undefined || maxSeconds === undefined ? Number.POSITIVE_INFINITY : now() + maxSeconds,
    batches: 0,
    generations: 0,
  };
}

/** Whether the time limit has passed. */
export const isOutOfTime = ({ options, deadline }: Run): boolean => (options.now?.() ?? 0) >= deadline;

/** The most that is of use along the front's axis: where a cost is minimized, what the cheapest so far costs. */
export function ceilingOf({ options, pool }: Run): number {
  const { goal = 'accuracy', minScore = Number.NEGATIVE_INFINITY } = options;
  const best = pool.elite[0];
  return goal === 'accuracy' || best === undefined || best.score < minScore
    ? Number.POSITIVE_INFINITY
    : CHEAPER * best.cost;
}

/** Brings a genome to the limits, in place, and to a cost along the front's axis; undefined where its blocks alone cannot fit. */
export function fillTo(run: Run, genome: Genome, ceiling: number): Genome | undefined {
  const { genetics, surrogate, limits, rng } = run;
  const max = Math.min(ceiling, ceilingOf(run));
  const all = Number.isFinite(max) ? [...limits.list, { cost: limits.axis, max }] : limits.list;
  const additive: AdditiveLimit[] = all.flatMap(({ cost, max: most }) =>
    cost.additive === undefined ? [] : [{ cost: cost.additive, max: most }],
  );
  return fill({ genetics, surrogate, limits: additive, rng }, genome);
}

/** Candidates of what was scored, in order. */
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
export function frontOf(run: Run): Candidate[] {
  const { minScore = Number.NEGATIVE_INFINITY } = run.options;
  return candidatesOf(
    run,
    run.pool.front.filter(({ score }) => score >= minScore),
  );
}

/** Scores genomes and takes them into pool, history and progress. */
export async function takeIn(run: Run, genomes: readonly Genome[], regardless: readonly Genome[] = []): Promise<void> {
  const { scorer, pool, options, history } = run;
  pool.absorb(await scorer.score(genomes, regardless));
  run.batches++;
  if (run.batches % BREATHE_EVERY === 0) await breathe();
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
