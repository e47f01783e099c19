/**
 * The search alone, in this process, on the first bundle's space with its accuracy predictor: how long it takes, and what it finds
 * beside random search and the published evolution under the same limits; and its regret on a synthetic objective whose optima are
 * exact, where the reference data folder (BESPOKE_REFERENCE, by default ../shared/reference) is there.
 *
 *   npm run bench:search -- [--seeds N] [--models DIR] [--seed N] [--quick] [--json]
 */
import { makeRng } from '../src/common/rng.js';
import { loadPredictor } from '../src/predictors/predictor.js';
import { search } from '../src/search/search.js';
import type { Objective } from '../src/search/types.js';
import { maxArch, minArch } from '../src/space/arch.js';
import { type CostTable, makeCostTable } from '../src/space/cost-table.js';
import { encodingLength } from '../src/space/encoding.js';
import type { SearchSpace } from '../src/space/types.js';
import { describeArchs } from '../src/specialize/describe.js';
import { loadBundle } from '../src/supernet/bundle.js';
import {
  type BenchOptions,
  type BenchResult,
  countOption,
  digits,
  findBundleDir,
  MODELS_OPTION,
  modelDirsOf,
  note,
  row,
  runBench,
  spread,
} from './harness.js';
import { type PlainProblem, publishedEvolution, randomSearch } from './published-evolution.js';
import { loadSyntheticProblem, type SyntheticProblem } from './published-objective.js';
import { mean, summarize } from './statistics.js';

/** What a run is made of; the published evolution scores 100 architectures more than its generations' children. */
const SETTINGS = {
  full: { seeds: 10, runs: 7, evaluations: 50_000, generations: 500 },
  quick: { seeds: 3, runs: 3, evaluations: 10_000, generations: 100 },
} as const;
const TIMED_EVALUATIONS = 50_000;
/** Limits on MACs, as shares of the way from the smallest sub-network to the largest; the middle one is timed. */
const LIMIT_SHARES = [0.2, 0.4, 0.6] as const;
const TIMED_SHARE = LIMIT_SHARES[1];
const SYNTHETIC_MEGA_MACS = [200, 300, 400] as const;

interface Problem extends PlainProblem {
  readonly costs: CostTable;
}

const withLimit = (problem: Omit<Problem, 'constraint'>, maxMacs: number): Problem => ({
  ...problem,
  constraint: { id: 'maxMacs', max: maxMacs, cost: (archs) => problem.costs.macs(archs) },
});

async function ownSearch(
  { space, objective, constraint, resolutions, costs }: Problem,
  evaluations: number,
  seed: number,
) {
  const { best } = await search({
    space,
    objective,
    constraints: [constraint],
    describe: (archs) => describeArchs({ costs, latency: undefined }, archs),
    frontAxis: constraint.id,
    evaluations,
    resolutions,
    seed,
  });
  return best.predictedTop1;
}

/** Counts the architectures that an objective is asked to score and to give slopes of. Its seconds cannot be told apart: lanes wait for it in turn. */
function metered({ score, encoded }: Objective, space: SearchSpace) {
  const meter = { scored: 0, slopes: 0 };
  const objective: Objective = {
    score: async (archs) => {
      meter.scored += archs.length;
      return score(archs);
    },
    ...(encoded && {
      encoded: {
        ...encoded,
        score: (rows) => {
          meter.scored += rows.length / encodingLength(space, encoded.resolutions);
          return encoded.score(rows);
        },
        slopes: (rows) => {
          meter.slopes += rows.length / encodingLength(space, encoded.resolutions);
          return encoded.slopes(rows);
        },
      },
    }),
  };
  return { meter, objective };
}

async function timeSearches(problem: Problem, runs: number, seed: number) {
  const timed: {
    readonly seconds: number;
    readonly scored: number;
    readonly slopes: number;
  }[] = [];
  for (let run = 0; run <= runs; run++) {
    const { meter, objective } = metered(problem.objective, problem.space);
    const start = performance.now();
    await ownSearch({ ...problem, objective }, TIMED_EVALUATIONS, seed + run);
    const seconds = (performance.now() - start) / 1000;
    timed.push({ seconds, scored: meter.scored, slopes: meter.slopes });
    note(`timed search ${run}/${runs}: ${seconds.toFixed(2)} s`);
  }
  const [first, ...warm] = timed;
  return {
    evaluations: TIMED_EVALUATIONS,
    firstSeconds: first?.seconds, // compiling included: what the first job of a server sees
    seconds: summarize(warm.map(({ seconds }) => seconds)),
    scored: summarize(warm.map(({ scored }) => scored)),
    slopes: summarize(warm.map(({ slopes }) => slopes)),
  };
}

interface Effort {
  readonly evaluations: number;
  readonly generations: number;
}

/** What each method reaches, one score per seed. */
async function reach(problem: Problem, seeds: readonly number[], { evaluations, generations }: Effort) {
  const own: number[] = [];
  const published: number[] = [];
  const random: number[] = [];
  for (const seed of seeds) {
    own.push(await ownSearch(problem, evaluations, seed));
    published.push((await publishedEvolution(problem, generations, makeRng(seed).fork('published'))).score);
    random.push((await randomSearch(problem, evaluations, makeRng(seed).fork('random'))).score);
  }
  return { own, published, random };
}

type Reached = Awaited<ReturnType<typeof reach>>;
const METHODS = { own: 'this search', published: 'published evolution', random: 'random search' } as const;
const METHOD_NAMES = ['own', 'published', 'random'] as const;

const reachedFigures = (scores: readonly number[]) => ({ mean: mean(scores), worst: Math.min(...scores), scores });

async function compare(bundled: Omit<Problem, 'constraint'>, seeds: readonly number[], effort: Effort) {
  const limits: { readonly share: number; readonly maxMacs: number; readonly reached: Reached }[] = [];
  for (const share of LIMIT_SHARES) {
    const maxMacs = macsAt(bundled, share);
    const reached = await reach(withLimit(bundled, maxMacs), seeds, effort);
    limits.push({ share, maxMacs, reached });
    note(`compared under ${maxMacs} MACs`);
  }
  return limits.map(({ share, maxMacs, reached }) => ({
    share,
    maxMacs,
    best: Math.max(...METHOD_NAMES.flatMap((name) => reached[name])),
    own: reachedFigures(reached.own),
    published: reachedFigures(reached.published),
    random: reachedFigures(reached.random),
  }));
}

function macsAt({ space, costs }: Omit<Problem, 'constraint'>, share: number): number {
  const [low = 0, high = 0] = costs.macs([minArch(space), maxArch(space)]);
  return Math.round(low + share * (high - low));
}

interface RegretEffort extends Effort {
  /** Whether the plain published evolution is run too, beside what is recorded of the original. */
  readonly withPublished: boolean;
}

async function measureRegrets(synthetic: SyntheticProblem, seeds: readonly number[], effort: RegretEffort) {
  const { space, objective, resolutions, optimum, recorded } = synthetic;
  const costs = makeCostTable(space);
  const regrets = [];
  for (const megaMacs of SYNTHETIC_MEGA_MACS) {
    const start = performance.now();
    const problem = withLimit({ space, objective, resolutions, costs }, megaMacs * 1e6);
    const own: number[] = [];
    const published: number[] = [];
    for (const seed of seeds) {
      own.push(optimum(megaMacs) - (await ownSearch(problem, effort.evaluations, seed)));
      if (!effort.withPublished) continue;
      const { score } = await publishedEvolution(problem, effort.generations, makeRng(seed).fork('published'));
      published.push(optimum(megaMacs) - score);
    }
    regrets.push({
      megaMacs,
      own: regretFigures(own),
      published: regretFigures(published) ?? null,
      recorded: recorded(megaMacs),
    });
    note(`synthetic objective at ${megaMacs} M MACs: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
  return regrets;
}

function regretFigures(points: readonly number[]) {
  return points.length === 0 ? undefined : { mean: mean(points), worst: Math.max(...points), points };
}

type Timing = Awaited<ReturnType<typeof timeSearches>>;
type Comparison = Awaited<ReturnType<typeof compare>>;
type Regrets = Awaited<ReturnType<typeof measureRegrets>>;

const timingLines = (timing: Timing): string[] => [
  `one search of ${digits(timing.evaluations)} evaluations, MACs limited`,
  row('  seconds', spread(timing.seconds, 's')),
  row('  architectures scored', spread(timing.scored, '')),
  row('  slopes asked, two evaluations each', spread(timing.slopes, '')),
  row('  the first search of the process', `${digits(timing.firstSeconds ?? Number.NaN)} s`),
];

function comparisonLines(comparison: Comparison, seeds: number, { evaluations, generations }: Effort): string[] {
  const plain = `published evolution: ${digits(100 * (1 + generations))}`;
  const lines = [`predicted top-1 reached in ${digits(evaluations)} evaluations (${plain}), ${seeds} seeds`];
  for (const limit of comparison) {
    lines.push(`  at most ${digits(limit.maxMacs)} MACs; best seen by any ${(100 * limit.best).toFixed(3)} %`);
    for (const name of METHOD_NAMES) {
      const { mean: middle, worst } = limit[name];
      const below = `${(100 * (limit.best - middle)).toFixed(3)} and ${(100 * (limit.best - worst)).toFixed(3)} points below`;
      const reached = `mean ${(100 * middle).toFixed(3)} %, worst ${(100 * worst).toFixed(3)} %`;
      lines.push(row(`    ${METHODS[name]}`, `${reached} (${below})`));
    }
  }
  return lines;
}

/** Points with three decimals; what float32 scores round away is 0. */
function points(value: number | undefined): string {
  if (value === undefined) return 'not recorded';
  return (Math.round(value * 1000) / 1000 || 0).toFixed(3);
}

function regretLines(regrets: Regrets | undefined, evaluations: number): string[] {
  if (regrets === undefined)
    return ['regret on the synthetic objective: not measured, the reference data folder is absent'];
  const meanAndWorst = (found: ReturnType<typeof regretFigures> | null): string =>
    found == null ? 'not run with --quick' : `mean ${points(found.mean)}, worst ${points(found.worst)}`;
  const title = `regret on the synthetic objective in ${digits(evaluations)} evaluations, points below the exact optimum`;
  const lines = regrets.flatMap(({ megaMacs, own, published, recorded }) => [
    `  at most ${megaMacs} M MACs`,
    row(`    ${METHODS.own}`, meanAndWorst(own ?? null)),
    row(
      `    ${METHODS.published}`,
      `${meanAndWorst(published)} (recorded of the original: mean ${points(recorded.evolution)})`,
    ),
    row(`    ${METHODS.random}`, `recorded: mean ${points(recorded.random)}`),
  ]);
  return [title, ...lines];
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const count = countOption(options, 'seeds', settings.seeds);
  const seeds = Array.from({ length: count }, (_, i) => options.seed + i);
  const dir = findBundleDir(modelDirsOf(options.given.models));
  const { id, supernet } = await loadBundle(dir);
  const { space, sha256: weightsSha256 } = supernet;
  const predictor = await loadPredictor(dir, { space, weightsSha256 });
  try {
    const { resolutions, quality } = predictor;
    const bundled = { space, objective: predictor.asObjective(), resolutions, costs: makeCostTable(space) };
    const timing = await timeSearches(withLimit(bundled, macsAt(bundled, TIMED_SHARE)), settings.runs, options.seed);
    const comparison = await compare(bundled, seeds, settings);
    const synthetic = loadSyntheticProblem();
    // Regrets are stated for the published number of evaluations or not at all, quick or not.
    const effort = { ...SETTINGS.full, withPublished: !options.isQuick };
    const regrets = synthetic === undefined ? undefined : await measureRegrets(synthetic, seeds, effort);
    return {
      settings: { ...settings, seeds, supernet: id, space: space.id, predictor: quality, limitShares: LIMIT_SHARES },
      figures: { timing, comparison, regrets: regrets ?? null },
      lines: [
        ...timingLines(timing),
        ...comparisonLines(comparison, count, settings),
        ...regretLines(regrets, effort.evaluations),
      ],
    };
  } finally {
    await predictor.release();
  }
}

await runBench({
  name: 'search',
  options: {
    seeds: `seeds that methods are compared over (${SETTINGS.full.seeds}, quick ${SETTINGS.quick.seeds})`,
    models: MODELS_OPTION,
  },
  run,
});
