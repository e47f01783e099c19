/**
 * Seconds of the search beside the published one, in turns in one run: the reference data's eight problems, the same objectives, limits and
 * costs. The published search is Python with PyTorch (bench/search_pytorch.py); where there is none, or no reference data folder
 * (BESPOKE_REFERENCE, by default ../shared/reference), it says so. Then how near the search is to what its predictor takes alone, and its memory.
 *
 *   npm run bench:search-speed -- [--rounds N] [--only TEXT] [--threads N] [--python PATH] [--seed N] [--quick] [--json]
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BespokeError } from '../src/common/errors.js';
import { makeRng } from '../src/common/rng.js';
import { PACKAGE_ROOT } from '../src/config.js';
import { type BenchOptions, type BenchResult, countOption, digits, note, row, runBench, spread } from './harness.js';
import { type Floor, measureFloors } from './search-floor.js';
import { measureMemory, type SearchMemory } from './search-memory.js';
import { openReferenceProblems, type ReferenceProblem } from './search-problems.js';
import {
  type Agreement,
  type Handling,
  type PublishedSearch,
  type PublishedVersions,
  startPublishedSearch,
} from './search-published.js';
import { build } from './server-process.js';
import { mean, median, summarize } from './statistics.js';

type SearchModule = typeof import('../src/search/search.js');
type Search = SearchModule['search'];

/** The search as shipped, without a loader in it. */
async function compiledSearch(): Promise<Search> {
  build();
  const path = pathToFileURL(join(PACKAGE_ROOT, 'dist', 'search', 'search.js')).href;
  return ((await import(path)) as SearchModule).search;
}

/**
 * 500 generations as published; a quick run has a tenth. Before the rounds that are timed this search runs so often alone, then both so often in
 * turns: it is compiled while it runs, for some twenty searches, and a server searches for days.
 */
const SETTINGS = {
  full: { rounds: 5, alone: 20, warmUps: 2, generations: 500, repeats: 5 },
  quick: { rounds: 1, alone: 0, warmUps: 0, generations: 50, repeats: 1 },
} as const;
/** Architectures of the first population and of each generation. */
const POPULATION = 100;
/** Relative differences up to which both programs have the same objective (float32) and the same costs (float64). */
const SAME = { score: 1e-5, cost: 1e-9 } as const;
/** Of the limits, the one whose search's memory is told. */
const MEMORY_PROBLEM = 'Note10 at 25 ms';
const WITHOUT =
  'no Python with PyTorch (Debian: apt install python3-torch; --python PATH names another): recorded figures';
const MEBI = 2 ** 20;

/** One search of either side. */
interface Timed {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly points: number;
  readonly evaluations: number;
}

/** A round: each contender once, on the same seed. */
interface Round {
  readonly ours: Timed;
  /** Absent without PyTorch. */
  readonly theirs?: Readonly<Record<Handling, Timed>>;
}

interface Raced {
  /** One search of ours before the rounds: before that of the first problem the process has not made its code fast. */
  readonly first?: Timed;
  readonly problem: ReferenceProblem;
  readonly rounds: readonly Round[];
  readonly agreement?: Agreement;
}

interface Race {
  readonly search: Search;
  readonly rounds: number;
  /** Searches of ours before all rounds, and rounds before those that are timed. */
  readonly alone: number;
  readonly warmUps: number;
  readonly generations: number;
  readonly seed: number;
  readonly published: PublishedSearch | undefined;
  readonly isOutOfTime: () => boolean;
}

async function searchOurs(
  search: Search,
  problem: ReferenceProblem,
  { evaluations, seed }: { readonly evaluations: number; readonly seed: number },
): Promise<Timed> {
  const { space, objective, constraint, resolutions, describe, scale } = problem;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const found = await search({
    ...{ space, objective, constraints: [constraint], resolutions, describe },
    ...{ frontAxis: constraint.id, evaluations, seed },
  });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const points = scale * found.best.predictedTop1;
  return { seconds, cpuSeconds: (user + system) / 1e6, points, evaluations: found.evaluations };
}

async function searchTheirs(
  published: PublishedSearch,
  problem: ReferenceProblem,
  how: { readonly handling: Handling; readonly seed: number; readonly generations: number },
): Promise<Timed> {
  const { seconds, cpuSeconds, score, evaluations } = await published.search(problem, how);
  return { seconds, cpuSeconds, points: problem.scale * score, evaluations };
}

/** Every contender once; who begins changes from round to round. */
async function oneRound(
  problem: ReferenceProblem,
  { search, published, generations, seed }: Race,
  round: number,
): Promise<Round> {
  const effort = { evaluations: POPULATION * (1 + generations), seed: seed + round };
  const ours = () => searchOurs(search, problem, effort);
  if (published === undefined) return { ours: await ours() };
  const theirs = (handling: Handling) =>
    searchTheirs(published, problem, { handling, seed: seed + round, generations });
  if (round % 2 === 0) {
    return { ours: await ours(), theirs: { published: await theirs('published'), lean: await theirs('lean') } };
  }
  const first = { lean: await theirs('lean'), published: await theirs('published') };
  return { ours: await ours(), theirs: first };
}

async function raceProblem(problem: ReferenceProblem, race: Race): Promise<Raced & { versions?: PublishedVersions }> {
  const opened = await race.published?.open(problem, makeRng(race.seed));
  const rounds: Round[] = [];
  // What it takes until the code is compiled for speed is told apart.
  const effort = { evaluations: POPULATION * (1 + race.generations), seed: race.seed + race.rounds };
  const first = race.alone === 0 || race.isOutOfTime() ? undefined : await searchOurs(race.search, problem, effort);
  for (let search = 1; search < race.alone && !race.isOutOfTime(); search++) {
    await searchOurs(race.search, problem, { ...effort, seed: effort.seed + search });
  }
  for (let warmUp = 0; warmUp < race.warmUps && !race.isOutOfTime(); warmUp++)
    await oneRound(problem, race, race.rounds + warmUp);
  for (let round = 0; round < race.rounds && !race.isOutOfTime(); round++) {
    rounds.push(await oneRound(problem, race, round));
  }
  note(`${problem.name}: ${rounds.length === 0 ? 'left out' : 'done'}`);
  return { problem, ...(first && { first }), rounds, ...opened };
}

/** Seconds, CPU seconds and points of one contender over the rounds. */
function timedLines(label: string, timed: readonly Timed[]): string[] {
  const points = timed.map((each) => each.points);
  const evaluations = median(timed.map((each) => each.evaluations));
  return [
    row(label, spread(summarize(timed.map(({ seconds }) => seconds)), 's')),
    row(
      '    processor, evaluations, points',
      `${digits(median(timed.map(({ cpuSeconds }) => cpuSeconds)))} s; ${digits(evaluations)}; mean ${mean(points).toFixed(3)}, worst ${Math.min(...points).toFixed(3)}`,
    ),
  ];
}

const ratios = (rounds: readonly Round[], handling: Handling): number[] =>
  rounds.flatMap(({ ours, theirs }) => (theirs === undefined ? [] : theirs[handling].seconds / ours.seconds));

/** Names of the Python sides as printed. */
const HANDLING_NAMES = { published: 'published search', lean: 'the same method, written with care' } as const;

/** What was recorded of the published code itself, which makes its evaluations in full. */
function recordedLine({ recorded, reference }: ReferenceProblem, ours: readonly Timed[]): string {
  const figures = `${recorded.seconds.toFixed(2)} s; mean ${(reference - recorded.regret).toFixed(3)}`;
  const whole = POPULATION * (1 + SETTINGS.full.generations);
  if (ours.some(({ evaluations }) => evaluations < whole / 2)) return `${figures}, of ${digits(whole)} evaluations`;
  const times = recorded.seconds / median(ours.map(({ seconds }) => seconds));
  return `${figures}; ${digits(times)} times this search's median, of another run on the same kind of machine`;
}

function racedLines({ problem, first, rounds }: Raced): string[] {
  const { name, isExact, reference } = problem;
  if (rounds.length === 0) return [`${name}: SKIPPED: the time of a quick run was up`];
  const ours = rounds.map((round) => round.ours);
  const sides = (Object.keys(HANDLING_NAMES) as Handling[]).flatMap((handling) => {
    const timed = rounds.flatMap(({ theirs }) => (theirs === undefined ? [] : [theirs[handling]]));
    if (timed.length === 0) return [];
    return [
      ...timedLines(`  ${HANDLING_NAMES[handling]}`, timed),
      row('    over this search, per round', spread(summarize(ratios(rounds, handling)), 'times')),
    ];
  });
  return [
    `${name}: ${isExact ? 'exact optimum' : 'recorded best'} ${reference.toFixed(3)}`,
    ...timedLines('  this search', ours),
    ...(first === undefined ? [] : [row('    the first, before warming up', `${digits(first.seconds)} s`)]),
    ...sides,
    row('  published code, recorded', recordedLine(problem, ours)),
  ];
}

function agreementLines(raced: readonly Raced[]): string[] {
  const lines = raced.flatMap(({ problem, agreement }) => {
    if (agreement === undefined) return [];
    const { score, cost, keyedCost } = agreement;
    const keyed = keyedCost === undefined ? '' : `, of costs by the tables' keys ${keyedCost.toExponential(1)}`;
    return [row(`  ${problem.name}`, `of scores ${score.toExponential(1)}, of costs ${cost.toExponential(1)}${keyed}`)];
  });
  return lines.length === 0 ? [] : ['100 random architectures, both programs: largest relative difference', ...lines];
}

const isSame = ({ agreement }: Raced): boolean =>
  agreement === undefined ||
  (agreement.score <= SAME.score && Math.max(agreement.cost, agreement.keyedCost ?? 0) <= SAME.cost);

function floorLines(floor: Floor, raced: readonly Raced[]): string[] {
  const { problems, rows, publishedMacs, macsPerRow, seconds, bestBatch, macsPerSecond, floorSeconds } = floor;
  const perBatch = Object.entries(seconds).map(([batch, best]) => `${batch}: ${digits(best)}`);
  const times = raced
    .filter(({ problem, rounds }) => rounds.length > 0 && problem.name.startsWith(problems))
    .map(({ problem, rounds }) => {
      const whole = median(rounds.map(({ ours }) => ours.seconds));
      return row(`  ${problem.name}`, `${digits(whole / floorSeconds)} times the floor (${digits(whole)} s)`);
    });
  return [
    `the predictor of ${problems} alone: ${digits(rows)} rows, encoded before, of ${digits(macsPerRow)} multiply-adds (published: ${digits(publishedMacs)})`,
    row('  seconds by rows per call, best', perBatch.join(', ')),
    row(
      '  the floor',
      `${digits(floorSeconds)} s at ${bestBatch} rows per call, ${(macsPerSecond / 1e9).toFixed(1)} G multiply-adds per second`,
    ),
    ...times,
  ];
}

function memoryLines({ problem, bareBytes, loadedBytes, searchedBytes, seconds }: SearchMemory): string[] {
  const mebi = (bytes: number): string => `${(bytes / MEBI).toFixed(0)} MiB (${(bytes / 1e6).toFixed(0)} MB)`;
  return [
    'peak resident memory of a fresh process',
    row(`  one search, ${problem}`, `${mebi(searchedBytes)}; its only search took ${digits(seconds)} s`),
    row('  the predictor loaded, no search', mebi(loadedBytes)),
    row('  the program, nothing loaded', mebi(bareBytes)),
  ];
}

function publishedLine(published: PublishedSearch | undefined, versions: PublishedVersions | undefined): string {
  if (published === undefined) return WITHOUT;
  const { python, torch, numpy, predictor } = versions ?? {};
  const ways = Object.entries(predictor?.ms ?? {}).map(([way, ms]) => `${way} ${digits(ms)} ms`);
  const run = predictor === undefined ? '' : `; 100 architectures scored by ${predictor.way}, of ${ways.join(', ')}`;
  return `torch ${torch}, Python ${python}, numpy ${numpy}, ${published.command}, 1 thread${run}`;
}

async function measure(problems: readonly ReferenceProblem[], race: Race, threads: number, repeats: number) {
  const evaluations = POPULATION * (1 + race.generations);
  const raced = [];
  for (const problem of problems) raced.push(await raceProblem(problem, race));
  const floors = race.isOutOfTime()
    ? []
    : await measureFloors(problems, { count: evaluations, threads: 1 + threads, repeats });
  const measured = problems.find(({ name }) => name === MEMORY_PROBLEM);
  const effort = { threads, evaluations, seed: race.seed };
  const memory = measured === undefined || race.isOutOfTime() ? undefined : await measureMemory(measured, effort);
  return { raced, floors, memory };
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { isQuick, seed, given, isOutOfTime } = options;
  const { generations, repeats, alone, warmUps, ...standard } = isQuick ? SETTINGS.quick : SETTINGS.full;
  const rounds = countOption(options, 'rounds', standard.rounds);
  const threads = countOption(options, 'threads', 1);
  const settings = { rounds, alone, warmUps, generations, evaluations: POPULATION * (1 + generations), threads };
  const opened = await openReferenceProblems(threads);
  if (opened === undefined) {
    return { settings, figures: {}, lines: ['not measured: the reference data folder is absent (BESPOKE_REFERENCE)'] };
  }
  const published = startPublishedSearch(given.python);
  if (published === undefined) note(`SKIPPED: ${WITHOUT}`);
  try {
    const problems = opened.problems.filter(({ name }) => name.includes(given.only ?? ''));
    if (problems.length === 0) {
      const names = opened.problems.map(({ name }) => name).join(', ');
      throw new BespokeError(
        'invalid-request',
        `--only must be part of a problem's name, got "${given.only}"; they are: ${names}`,
      );
    }
    const race = { search: await compiledSearch(), rounds, alone, warmUps, generations, seed, published, isOutOfTime };
    const { raced, floors, memory } = await measure(problems, race, threads, repeats);
    const versions = raced.map((each) => each.versions).findLast((each) => each !== undefined);
    const predictor = raced.map((each) => each.versions?.predictor).find((each) => each !== undefined);
    const told = versions && { ...versions, ...(predictor === undefined ? {} : { predictor }) };
    return {
      settings: { ...settings, published: publishedLine(published, told) },
      figures: {
        problems: raced.map(({ problem: { name, reference, recorded }, ...rest }) => ({
          name,
          reference,
          recorded,
          ...rest,
        })),
        floors,
        memory: memory ?? null,
      },
      lines: [
        row('published search', publishedLine(published, told)),
        ...agreementLines(raced),
        ...raced.flatMap(racedLines),
        ...floors.flatMap((floor) => floorLines(floor, raced)),
        ...(memory === undefined ? [] : memoryLines(memory)),
        ...(isOutOfTime() ? ['SKIPPED: the time of a quick run was up before everything was measured'] : []),
      ],
      hasFailed: !raced.every(isSame),
    };
  } finally {
    published?.stop();
    await opened.release();
  }
}

await runBench({
  name: 'search-speed',
  options: {
    rounds: `searches of each contender per problem (${SETTINGS.full.rounds}, quick ${SETTINGS.quick.rounds})`,
    only: 'problems whose name has this text',
    threads:
      "threads inside an operator of this search's predictor, which has a thread of its own (1); the published search has one thread",
    python: 'a Python with PyTorch (default: the first of python3 and /usr/bin/python3 that has it)',
  },
  run,
});
