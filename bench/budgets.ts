/**
 * Whether delivered models keep what was asked: random feasible budgets are POSTed to a real server, each delivered model is downloaded,
 * counted again from its bytes, and its latency is measured again here, in a session of this process, after the server is done with it.
 * A latency is missed where the 99 % lower bound of that second measurement is over the budget.
 *
 *   npm run bench:budgets -- [--requests N] [--data-dir DIR] [--models DIR] [--seed N] [--quick] [--json]
 *
 * Exit code 1: a request did not succeed, or a delivered model broke a limit.
 */
import { join } from 'node:path';
import { downloadModel } from '../src/cli/jobs.js';
import { makeRng } from '../src/common/rng.js';
import { measureLatency } from '../src/evaluate/latency.js';
import type { MeasuredLatency } from '../src/evaluate/types.js';
import { withMeasurementLock } from '../src/runtime/measurement-lock.js';
import type { Constraints } from '../src/specialize/types.js';
import { drawBudget } from './budgets-draw.js';
import {
  type BenchOptions,
  type BenchResult,
  countOption,
  DATA_DIR_OPTION,
  digits,
  MODELS_OPTION,
  modelDirsOf,
  note,
  openDataDir,
  row,
  runBench,
  share,
  spread,
} from './harness.js';
import { openSubject, runJob, type Subject, wayOf } from './jobs.js';
import { type Recount, recount } from './recount.js';
import { startServerProcess } from './server-process.js';
import { binomialBounds, mean, summarize } from './statistics.js';

const REQUESTS = { full: 50, quick: 4 } as const;
const EVALUATIONS = 50_000;
const POLL_MS = 100;
/** The second measurement: no fewer runs than the server's own, and no less time. */
const SECOND = { threads: 1, statistic: 'p50', minSamples: 300, maxMs: 600 } as const;

/** What became of one budget. */
interface Outcome {
  readonly index: number;
  readonly constraints: Constraints;
  readonly status: string;
  readonly seconds: number;
  /** Why it did not succeed. */
  readonly problem?: string;
  readonly delivered?: Delivered;
}

interface Delivered {
  readonly candidatesTried: number;
  readonly predictedLatencyMs: number | undefined;
  readonly serverLatency: MeasuredLatency | undefined;
  readonly secondLatency: MeasuredLatency;
  readonly recounted: Recount;
  /** What the recount and the server's figures do not agree on. */
  readonly disagreements: readonly string[];
  /** Limits that the model breaks, each with its figures. */
  readonly misses: readonly string[];
}

const COUNTED = [
  ['maxMacs', 'macs'],
  ['maxParams', 'params'],
  ['maxModelBytes', 'modelBytes'],
  ['maxPeakMemoryBytes', 'peakMemoryBytes'],
] as const;

function missesOf(constraints: Constraints, recounted: Recount, latency: MeasuredLatency): string[] {
  const { maxLatencyMs } = constraints;
  const misses = COUNTED.flatMap(([limit, figure]) => {
    const max = constraints[limit];
    return max === undefined || recounted[figure] <= max ? [] : [`${limit} ${max}, counted ${recounted[figure]}`];
  });
  if (maxLatencyMs === undefined || latency.lowMs <= maxLatencyMs) return misses;
  const { valueMs, lowMs, highMs, samples } = latency;
  const measured = `${valueMs.toFixed(4)} ms, 99 % interval ${lowMs.toFixed(4)} to ${highMs.toFixed(4)} of ${samples} runs`;
  return [...misses, `maxLatencyMs ${maxLatencyMs}, measured again ${measured}`];
}

async function tryBudget(
  subject: Subject,
  dataDir: string,
  asked: Pick<Outcome, 'index' | 'constraints'> & { seed: number },
): Promise<Outcome> {
  const { index, constraints, seed } = asked;
  const job = await runJob(subject, { constraints, seed, evaluations: EVALUATIONS, pollMs: POLL_MS });
  const { id, status, result, problem } = job.row;
  const outcome = { index, constraints, status, seconds: job.seconds };
  if (status !== 'succeeded' || result == null) return { ...outcome, problem: problem?.detail ?? status };
  const { candidatesTried } = await wayOf(subject, id);
  const model = await downloadModel(subject, job.row);
  const recounted = recount(subject.space, model);
  const lockDir = join(dataDir, 'hardware');
  const secondLatency = await withMeasurementLock(lockDir, () => measureLatency(model, SECOND));
  const { measured, predicted } = result;
  const disagreements = COUNTED.map(([, figure]) => figure)
    .filter((figure) => recounted[figure] !== measured[figure])
    .map((figure) => `${figure}: the server says ${measured[figure]}, counted ${recounted[figure]}`);
  const delivered = {
    candidatesTried,
    predictedLatencyMs: predicted.predictedLatencyMs,
    serverLatency: measured.measuredLatency,
    secondLatency,
    recounted,
    disagreements,
    misses: missesOf(constraints, recounted, secondLatency),
  };
  return { ...outcome, delivered };
}

/** Percent by which predictions, or first measurements, are off the second measurement; signed. */
function errorPercents(outcomes: readonly Outcome[], of: (delivered: Delivered) => number | undefined): number[] {
  return outcomes.flatMap(({ delivered }) => {
    const value = delivered === undefined ? undefined : of(delivered);
    if (delivered === undefined || value === undefined) return [];
    const second = delivered.secondLatency.valueMs;
    return [(100 * (value - second)) / second];
  });
}

/** The share of a limit that a model uses. */
function usedShares({ constraints }: Outcome, { recounted }: Delivered): number[] {
  return COUNTED.map(([limit, figure]) => recounted[figure] / (constraints[limit] ?? Number.POSITIVE_INFINITY));
}

/** Percent of the latency budget that a delivered model leaves unused; undefined without such a budget. */
function unusedPercent({ constraints: { maxLatencyMs }, delivered }: Outcome): number | undefined {
  if (maxLatencyMs === undefined || delivered === undefined) return undefined;
  return (100 * (maxLatencyMs - delivered.secondLatency.valueMs)) / maxLatencyMs;
}

/** Whether latency is the limit that a model uses most of: then no other one kept it small. */
function isLatencyTightest(outcome: Outcome): boolean {
  const { delivered } = outcome;
  const unused = unusedPercent(outcome);
  if (delivered === undefined || unused === undefined) return false;
  return 1 - unused / 100 >= Math.max(...usedShares(outcome, delivered));
}

function errorFigures(errors: readonly number[]) {
  const sizes = errors.map(Math.abs);
  return { biasPercent: errors.length === 0 ? undefined : mean(errors), sizePercent: summarize(sizes) };
}

function figuresOf(outcomes: readonly Outcome[]) {
  const delivered = outcomes.flatMap((outcome) => (outcome.delivered === undefined ? [] : [outcome.delivered]));
  const kept = delivered.filter(({ misses }) => misses.length === 0);
  const unusedOf = (some: readonly Outcome[]): number[] =>
    some.map(unusedPercent).filter((percent) => percent !== undefined);
  const unused = unusedOf(outcomes);
  return {
    requests: outcomes.length,
    succeeded: delivered.length,
    keptEveryLimit: kept.length,
    keptShareBounds95: binomialBounds(kept.length, outcomes.length),
    latencyLimited: unused.length,
    secondP50OverBudget: unused.filter((percent) => percent < 0).length,
    countsThatDisagree: delivered.filter(({ disagreements }) => disagreements.length > 0).length,
    unusedLatencyPercent: summarize(unused),
    unusedLatencyPercentWhereTightest: summarize(unusedOf(outcomes.filter(isLatencyTightest))),
    predictedAgainstSecond: errorFigures(errorPercents(outcomes, ({ predictedLatencyMs }) => predictedLatencyMs)),
    serverAgainstSecond: errorFigures(errorPercents(outcomes, ({ serverLatency }) => serverLatency?.valueMs)),
    candidatesTried: summarize(delivered.map(({ candidatesTried }) => candidatesTried)),
    jobSeconds: summarize(outcomes.map(({ seconds }) => seconds)),
    outcomes,
  };
}

function linesOf(figures: ReturnType<typeof figuresOf>): string[] {
  const { requests, succeeded, keptEveryLimit, latencyLimited, outcomes } = figures;
  const error = ({ biasPercent, sizePercent }: ReturnType<typeof errorFigures>): string =>
    sizePercent === undefined || biasPercent === undefined
      ? 'none measured'
      : `mean ${digits(sizePercent.mean)} %, p90 ${digits(sizePercent.p90)} %, bias ${digits(biasPercent)} %, n ${sizePercent.n}`;
  const lines = [
    row('requests', String(requests)),
    row('succeeded', share(succeeded, requests)),
    row('delivered and kept every limit', share(keptEveryLimit, requests)),
    row('limits missed', String(outcomes.reduce((sum, { delivered }) => sum + (delivered?.misses.length ?? 0), 0))),
    row('counts that differ from the report', String(figures.countsThatDisagree)),
    row('with a latency limit, delivered', String(latencyLimited)),
    row('  second p50 over the budget', `${figures.secondP50OverBudget} (a miss is counted by its 99 % lower bound)`),
    row('  unused share of the budget', spread(figures.unusedLatencyPercent, '%')),
    row('  where latency is the tightest limit', spread(figures.unusedLatencyPercentWhereTightest, '%')),
    row('predicted against second latency', error(figures.predictedAgainstSecond)),
    row("server's measurement against second", error(figures.serverAgainstSecond)),
    row('candidates tried per job', spread(figures.candidatesTried, '')),
    row('seconds per job', spread(figures.jobSeconds, 's')),
  ];
  for (const { index, constraints, problem, delivered } of outcomes) {
    const asked = `request ${index} ${JSON.stringify(constraints)}`;
    if (problem !== undefined) lines.push(`not delivered: ${asked}: ${problem}`);
    for (const miss of delivered?.misses ?? []) lines.push(`missed: ${asked}: ${miss}`);
    for (const difference of delivered?.disagreements ?? []) lines.push(`differs: ${asked}: ${difference}`);
  }
  return lines;
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { isQuick, seed, given } = options;
  const requests = countOption(options, 'requests', isQuick ? REQUESTS.quick : REQUESTS.full);
  const { dir, remove } = openDataDir(given['data-dir']);
  const server = await startServerProcess(dir, modelDirsOf(given.models));
  try {
    const subject = await openSubject(server);
    const rng = makeRng(seed).fork('budgets');
    const outcomes: Outcome[] = [];
    for (let index = 1; index <= requests && !(index > 1 && options.isOutOfTime()); index++) {
      const constraints = drawBudget(subject, rng);
      const outcome = await tryBudget(subject, dir, { index, constraints, seed: rng.int(2 ** 31) });
      outcomes.push(outcome);
      const misses = outcome.delivered?.misses ?? [];
      const word = outcome.problem ?? (misses.length === 0 ? 'kept' : `MISSED ${misses.join('; ')}`);
      note(`${index}/${requests} ${outcome.seconds.toFixed(1)} s ${JSON.stringify(constraints)}: ${word}`);
    }
    const { profile } = subject.latency;
    const figures = figuresOf(outcomes);
    return {
      settings: {
        requests,
        evaluations: EVALUATIONS,
        second: SECOND,
        supernet: subject.supernetId,
        profile: { revision: profile.revision, measuredAt: profile.measuredAt, holdout: profile.holdout },
      },
      figures,
      lines: linesOf(figures),
      hasFailed: figures.keptEveryLimit < figures.requests,
    };
  } finally {
    await server.stop();
    remove();
  }
}

await runBench({
  name: 'budgets',
  options: {
    requests: `random budgets (${REQUESTS.full}, quick ${REQUESTS.quick})`,
    'data-dir': DATA_DIR_OPTION,
    models: MODELS_OPTION,
  },
  run,
});
