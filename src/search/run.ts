import { invariant } from '../common/invariant.js';
import { makeRng, type Rng } from '../common/rng.js';
import { nextStep } from '../common/work.js';
import { archId } from '../space/arch.js';
import { type LookAround, makeLookAround } from './changes.js';
import { type Combine, makeCombine } from './combine.js';
import { axisCost } from './costs.js';
import { type Genetics, type Genome, type Keyed, keyed, makeGenetics, toArch } from './genome.js';
import { type Limits, makeLimits } from './limits.js';
import { type Merit, makePool, type Pool } from './pool.js';
import type { Ingredient, SearchOptions, SearchProgress } from './result.js';
import { type AskedScores, makeScorer, type Scored, type Scorer } from './scorer.js';
import type { Candidate } from './types.js';

/** Points of the history. */
const HISTORY_POINTS = 100;
/** How far below the cheapest that is good enough the next one is looked for, where a cost is minimized. */
const CHEAPER = 1 - 1e-9;

/** Combinations that are scored around a center at most: few, as the slopes at the next center tell more than further ones around this. */
const COMBINATIONS = 16;
/** Of three changes two are among so many of the highest gain. */
const WIDTH_OF_THREES = 16;

/** A search under way. Mutable in its scorer, pool, rng, history and whether it is cut short. */
export interface Run {
  readonly options: SearchOptions;
  readonly genetics: Genetics;
  readonly limits: Limits;
  readonly lookAround: LookAround;
  readonly combine: Combine;
  readonly scorer: Scorer;
  readonly pool: Pool;
  readonly rng: Rng;
  readonly history: SearchProgress[];
  /** Whether an ablation does without a part. */
  readonly isLeftOut: (part: Ingredient) => boolean;
  readonly deadline: number;
  isCutShort: boolean;
}

/** Along what the front runs: the goal's cost, or else what was asked. */
function axisOf({ goal = 'accuracy', frontAxis, constraints }: SearchOptions): string {
  if (goal === 'latency') return 'maxLatencyMs';
  const axis = goal === 'macs' ? 'macs' : frontAxis;
  // The same figure under a limit's name, so that it is asked once.
  return axis === 'macs' && constraints.some(({ id }) => id === 'maxMacs') ? 'maxMacs' : axis;
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
  const deadline = now === undefined || maxSeconds === undefined ? Number.POSITIVE_INFINITY : now() + maxSeconds;
  invariant(evaluations >= 1, () => `a search needs at least one evaluation, got ${evaluations}`);
  const genetics = makeGenetics(space, options.resolutions);
  const axisId = axisOf(options);
  const axis = axisCost(axisId, constraints, options.describe);
  const isLeftOut = (part: Ingredient): boolean => options.without?.includes(part) ?? false;
  const limits = makeLimits(genetics, constraints, { axis, axisId });
  return {
    options,
    genetics,
    limits,
    lookAround: makeLookAround(genetics, constraints.length + 1),
    combine: makeCombine(genetics, { count: COMBINATIONS, width: isLeftOut('threes') ? 0 : WIDTH_OF_THREES }),
    scorer: makeScorer({ genetics, objective, limits, budget: evaluations, withSlopes: !isLeftOut('slopes') }),
    pool: makePool(meritOf(options)),
    rng: makeRng(options.seed).fork('search'),
    history: [],
    isLeftOut,
    deadline,
    isCutShort: false,
  };
}

/** Whether the time limit has passed, which is noted: who asks stops then. */
export function isOutOfTime(run: Run): boolean {
  run.isCutShort = (run.options.now?.() ?? 0) >= run.deadline;
  return run.isCutShort;
}

/** The most that is of use along the front's axis: where a cost is minimized, what the cheapest so far costs. */
export function ceilingOf({ options, pool }: Run): number {
  const { goal = 'accuracy', minScore = Number.NEGATIVE_INFINITY } = options;
  const { best } = pool;
  return goal === 'accuracy' || best === undefined || best.score < minScore
    ? Number.POSITIVE_INFINITY
    : CHEAPER * best.cost;
}

/** Candidates of what was scored, in order. */
function candidatesOf({ options, genetics }: Run, scored: readonly Scored[]): Candidate[] {
  const archs = scored.map(({ genome }) => toArch(genetics, genome));
  const figures = options.describe(archs);
  return archs.map((arch, index) => ({
    arch,
    archId: archId(options.space, arch),
    predictedTop1: scored[index]!.score,
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

/** Genomes with their keys. */
export function withKeys({ genetics }: Run, genomes: readonly Genome[]): Keyed[] {
  const all: Keyed[] = [];
  for (const genome of genomes) all.push(keyed(genetics, genome));
  return all;
}

/** Scores genomes and takes them into pool, history and progress. */
export function takeIn(run: Run, genomes: readonly Keyed[]): Promise<void> {
  return absorb(run, run.scorer.ask(genomes));
}

/** Takes what was asked for into pool, history and progress. */
export async function absorb(run: Run, asked: AskedScores): Promise<void> {
  const { scorer, pool, options, history } = run;
  pool.absorb(await scorer.take(asked));
  await nextStep(options); // others wait for this thread: estimates, cancels
  const { best } = pool;
  if (best === undefined) return;
  const point = { evaluations: scorer.evaluations, bestTop1: best.score, frontSize: pool.front.length };
  const last = history[history.length - 1];
  const isDue = (point.evaluations - (last?.evaluations ?? 0)) * HISTORY_POINTS >= options.evaluations;
  if (last === undefined || isDue) {
    history.push(point);
    options.onProgress?.(point, () => frontOf(run));
  }
}
