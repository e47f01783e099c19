/**
 * The search on the reference data's eight problems: how far below the best known it stays, how long it takes, how much of the exact front
 * it covers; with --ablation what each ingredient gives, beside random search, the published evolution, regularized evolution and NSGA-II.
 * Without the reference data folder (BESPOKE_REFERENCE, by default ../shared/reference) nothing is measured, and it says so.
 *
 *   npm run bench:search-reference -- [--seeds N] [--only TEXT] [--threads N] [--ablation yes] [--seed N] [--quick] [--json]
 */
import { makeRng } from '../src/common/rng.js';
import { exactFront } from '../src/search/exact.js';
import { hypervolume, type ScoredPoint } from '../src/search/pareto.js';
import type { Ingredient } from '../src/search/result.js';
import { search } from '../src/search/search.js';
import { type BenchOptions, type BenchResult, countOption, note, row, runBench } from './harness.js';
import { publishedEvolution, randomSearch } from './published-evolution.js';
import { loadSyntheticTerms } from './published-objective.js';
import { nsga2, regularizedEvolution } from './search-methods.js';
import { openReferenceProblems, type ReferenceProblem } from './search-problems.js';
import { mean, median } from './statistics.js';

/** As many as the published search makes: 100 and 500 generations of 100. */
const EVALUATIONS = 50_100;
const FEW_EVALUATIONS = 5_000;
const SEEDS = { full: 10, quick: 1 } as const;
/** Problems whose fronts are compared, and seeds of NSGA-II. */
const FRONT_PROBLEMS = ['S1 at 400 M MACs', 'S2 at 300 M MACs', 'Note10 at 50 ms'] as const;
const INGREDIENTS: readonly Ingredient[] = ['slopes', 'threes', 'crossing', 'peaks', 'frontClimbs'];

interface Found {
  readonly score: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly front: readonly ScoredPoint[];
}

interface Effort {
  readonly evaluations: number;
  readonly seed: number;
  readonly without?: readonly Ingredient[];
}

/** One search, in points. */
async function searchOnce(problem: ReferenceProblem, { evaluations, seed, without = [] }: Effort): Promise<Found> {
  const { space, objective, constraint, resolutions, describe, scale } = problem;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const { best, paretoFront } = await search({
    space,
    objective,
    constraints: [constraint],
    resolutions,
    describe,
    frontAxis: constraint.id,
    evaluations,
    seed,
    without,
  });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const costs = constraint.cost(paretoFront.map(({ arch }) => arch));
  return {
    score: scale * best.predictedTop1,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    front: paretoFront.map(({ predictedTop1 }, i) => ({ score: scale * predictedTop1, cost: costs[i] ?? Number.NaN })),
  };
}

const regrets = (best: number, scores: readonly number[]) => ({
  mean: best - mean(scores),
  worst: best - Math.min(...scores),
});

async function measureProblem(problem: ReferenceProblem, seeds: readonly number[]) {
  const many: Found[] = [];
  const few: number[] = [];
  for (const seed of seeds) {
    many.push(await searchOnce(problem, { evaluations: EVALUATIONS, seed }));
    few.push((await searchOnce(problem, { evaluations: FEW_EVALUATIONS, seed })).score);
  }
  const scores = many.map(({ score }) => score);
  // Of problems without a proof, the best known is the best of what is recorded and what was found here.
  const best = problem.isExact ? problem.reference : Math.max(problem.reference, ...scores, ...few);
  note(`${problem.name}: done`);
  return {
    name: problem.name,
    isExact: problem.isExact,
    recordedReference: problem.reference,
    best,
    own: regrets(best, scores),
    ownFew: regrets(best, few),
    // The published search's recorded regret, told against the same value.
    publishedRegret: problem.recorded.regret + best - problem.reference,
    publishedSeconds: problem.recorded.seconds,
    seconds: median(many.map(({ seconds }) => seconds)),
    cpuSeconds: median(many.map(({ cpuSeconds }) => cpuSeconds)),
    scores,
  };
}

/** The area under a front down to the worst score of some fronts and up to the limit, so that every point of them counts. */
function areaOf({ constraint }: ReferenceProblem, fronts: readonly (readonly ScoredPoint[])[]) {
  const corner = { score: Math.min(...fronts.flat().map(({ score }) => score)), cost: constraint.max * (1 + 1e-9) };
  return (front: readonly ScoredPoint[]): number => hypervolume(front, corner);
}

/** Shares of the exact front's area, or of the larger of two fronts' where there is no exact one. */
async function measureFront(problem: ReferenceProblem, seeds: readonly number[]) {
  const own: (readonly ScoredPoint[])[] = [];
  for (const seed of seeds) own.push((await searchOnce(problem, { evaluations: EVALUATIONS, seed })).front);
  const other: ScoredPoint[][] = [];
  for (const seed of seeds) {
    const front = await nsga2(problem, EVALUATIONS, makeRng(seed).fork('nsga2'));
    other.push(front.map(({ score, cost }) => ({ score: problem.scale * score, cost })));
  }
  const terms = problem.isExact ? loadSyntheticTerms() : undefined;
  const { space, resolutions, constraint } = problem;
  const exact = terms && exactFront({ space, resolutions, ...terms, maxCost: constraint.max }).points;
  const area = areaOf(problem, [...own, ...other, exact ?? []]);
  note(`${problem.name}: front done`);
  return {
    name: problem.name,
    own: own.map(area),
    nsga2: other.map(area),
    exact: exact === undefined ? undefined : area(exact),
    exactPoints: exact?.length,
  };
}

interface Reached {
  readonly many: number[];
  /** With few evaluations; this search's variants alone. */
  readonly few: number[];
  readonly fronts: (readonly ScoredPoint[])[];
}

/** A name, and what is left out. */
type Variant = [name: string, without: readonly Ingredient[]];

/** Every variant and every other method on one problem, mean points reached. */
async function ablate(problem: ReferenceProblem, seeds: readonly number[]) {
  const reached = new Map<string, Reached>();
  const of = (name: string): Reached => {
    const known = reached.get(name) ?? { many: [], few: [], fronts: [] };
    reached.set(name, known);
    return known;
  };
  const { scale } = problem;
  const variants: readonly Variant[] = [
    ['this search', []],
    // What is solved tells nothing of the climbs, so that every other variant does without.
    ...(problem.objective.encoded === undefined ? [['without exact', ['exact']] satisfies Variant] : []),
    ...INGREDIENTS.map((left): Variant => [`without ${left}`, ['exact', left]]),
    ['without any', ['exact', ...INGREDIENTS]],
  ];
  for (const seed of seeds) {
    const rng = (name: string) => makeRng(seed).fork(name);
    for (const [name, without] of variants) {
      const found = await searchOnce(problem, { evaluations: EVALUATIONS, seed, without });
      const few = await searchOnce(problem, { evaluations: FEW_EVALUATIONS, seed, without });
      of(name).many.push(found.score);
      of(name).few.push(few.score);
      of(name).fronts.push(found.front);
    }
    of('published').many.push(scale * (await publishedEvolution(problem, 500, rng('published'))).score);
    of('regularized').many.push(scale * (await regularizedEvolution(problem, EVALUATIONS, rng('regularized'))));
    const front = await nsga2(problem, EVALUATIONS, rng('nsga2'));
    of('NSGA-II').many.push(scale * Math.max(...front.map(({ score }) => score)));
    of('NSGA-II').fronts.push(front.map(({ score, cost }) => ({ score: scale * score, cost })));
    of('random').many.push(scale * (await randomSearch(problem, EVALUATIONS, rng('random'))).score);
    note(`${problem.name}: ablation of seed ${seed} done`);
  }
  const found = [...reached.values()];
  const scores = found.flatMap(({ many, few }) => [...many, ...few]);
  const best = problem.isExact ? problem.reference : Math.max(problem.reference, ...scores);
  const area = areaOf(
    problem,
    found.flatMap(({ fronts }) => fronts),
  );
  const widest = area(found.flatMap(({ fronts }) => fronts.flat()));
  return {
    name: problem.name,
    best,
    methods: [...reached].map(([name, { many, few, fronts }]) => ({
      name,
      many: regrets(best, many),
      ...(few.length > 0 && { few: regrets(best, few) }),
      ...(fronts.length > 0 && { frontShare: mean(fronts.map((front) => area(front) / widest)) }),
    })),
  };
}

const points = (value: number): string => (Math.round(value * 1000) / 1000 || 0).toFixed(3);
const both = (regret: { readonly mean: number; readonly worst: number }): string =>
  `mean ${points(regret.mean)}, worst ${points(regret.worst)}`;

function problemLines(problem: Awaited<ReturnType<typeof measureProblem>>): string[] {
  const { best, isExact, recordedReference } = problem;
  const kind = isExact ? 'exact optimum' : 'best known';
  const beaten = !isExact && best > recordedReference + 5e-4 ? `; recorded was ${points(recordedReference)}` : '';
  return [
    `${problem.name}: ${kind} ${points(best)}${beaten}`,
    row('  below it, 50,100 evaluations', both(problem.own)),
    row('  below it, 5,000 evaluations', both(problem.ownFew)),
    row('  published search, recorded', `mean ${points(problem.publishedRegret)}`),
    row(
      '  seconds',
      `${problem.seconds.toFixed(2)} (CPU ${problem.cpuSeconds.toFixed(2)}); published, recorded: ${problem.publishedSeconds.toFixed(2)}, ${(problem.publishedSeconds / problem.seconds).toFixed(1)} times`,
    ),
  ];
}

function frontLines(front: Awaited<ReturnType<typeof measureFront>>): string[] {
  const of = front.exact ?? Math.max(...front.own, ...front.nsga2);
  const share = (areas: readonly number[]): string =>
    `mean ${((100 * mean(areas)) / of).toFixed(2)} %, worst ${((100 * Math.min(...areas)) / of).toFixed(2)} %`;
  const kind = front.exact === undefined ? 'the largest seen' : `the exact front's of ${front.exactPoints} points`;
  return [
    `${front.name}: hypervolume, share of ${kind}`,
    row('  this search', share(front.own)),
    row('  NSGA-II', share(front.nsga2)),
  ];
}

function ablationLines({ name, methods }: Awaited<ReturnType<typeof ablate>>): string[] {
  return [
    `${name}: points below, 50,100 evaluations; with 5,000; area of the front, share of all fronts together`,
    ...methods.map(({ name: method, many, few, frontShare }) => {
      const withFew = few === undefined ? '' : `; ${both(few)}`;
      const front = frontShare === undefined ? '' : `; ${(100 * frontShare).toFixed(2)} %`;
      return row(`  ${method}`, `${both(many)}${withFew}${front}`);
    }),
  ];
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const count = countOption(options, 'seeds', options.isQuick ? SEEDS.quick : SEEDS.full);
  const threads = countOption(options, 'threads', 1);
  const seeds = Array.from({ length: count }, (_, i) => options.seed + i);
  const opened = await openReferenceProblems(threads);
  const settings = { seeds, threads, evaluations: EVALUATIONS };
  if (opened === undefined) {
    return { settings, figures: {}, lines: ['not measured: the reference data folder is absent (BESPOKE_REFERENCE)'] };
  }
  const chosen = opened.problems.filter(({ name }) => name.includes(options.given.only ?? ''));
  const hasFront = chosen.filter(({ name }) => FRONT_PROBLEMS.some((each) => each === name));
  try {
    const quality = [];
    const fronts = [];
    const ablation = [];
    if (options.given.ablation !== undefined) for (const each of hasFront) ablation.push(await ablate(each, seeds));
    else {
      for (const each of chosen) quality.push(await measureProblem(each, seeds));
      for (const each of options.isQuick ? [] : hasFront) fronts.push(await measureFront(each, seeds.slice(0, 3)));
    }
    const rss = process.memoryUsage().rss / 2 ** 20;
    const lines = [
      ...quality.flatMap(problemLines),
      ...fronts.flatMap(frontLines),
      ...ablation.flatMap(ablationLines),
      row('memory of the process now', `${rss.toFixed(0)} MiB RSS`),
    ];
    return { settings, figures: { quality, fronts, ablation, rss }, lines };
  } finally {
    await opened.release();
  }
}

await runBench({
  name: 'search-reference',
  options: {
    seeds: `seeds per problem (${SEEDS.full}, quick ${SEEDS.quick})`,
    only: 'problems whose name has this text',
    threads: 'threads inside an operator of the predictors, which have a thread of their own (1)',
    ablation: 'yes: what each ingredient gives, and other methods, instead',
  },
  run,
});
