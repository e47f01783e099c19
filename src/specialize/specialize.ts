import { BespokeError, toProblem } from '../common/errors.js';
import { type Steps, stepsOf, throwIfAborted } from '../common/work.js';
import { latencyInterval } from '../hardware/latency-bounds.js';
import type { LatencyModel } from '../hardware/types.js';
import type { AccuracyPredictor } from '../predictors/predictor.js';
import type { SearchResult } from '../search/result.js';
import { search } from '../search/search.js';
import type { Candidate } from '../search/types.js';
import type { CostTable } from '../space/cost-table.js';
import type { Bundle } from '../supernet/types.js';
import { latencyRatio, MAX_CANDIDATES, measuredShortfall, nextCandidate } from './choose.js';
import { inRequestTerms, latencyFactorOf, limitBounds } from './confidence.js';
import { type Delivery, deliver } from './deliver.js';
import { INTERVAL_CONFIDENCE, withIntervals } from './describe.js';
import { moreBudget } from './more-budget.js';
import { noPredictor } from './no-predictor.js';
import type { Claim } from './ports.js';
import { type Delivered, makeReport, type Versions } from './report.js';
import { makeFrontTeller } from './search-front.js';
import { frontAxisOf, searchOptionsOf } from './search-options.js';
import type { Check, JobProgress, MeasuredFigures, Outcome, RejectedCandidate, Relaxation } from './types.js';
import { type Measuring, verify } from './verify.js';
import { warmArchs } from './warm-start.js';

/** A bundle in memory with everything that predicts and measures it here. */
export interface Workbench {
  readonly bundle: Bundle;
  /** Absent: nothing can be searched for. */
  readonly predictor: AccuracyPredictor | undefined;
  readonly costs: CostTable;
  /** Absent: no latency can be limited. */
  readonly latency: LatencyModel | undefined;
  readonly measuring: Measuring;
  readonly versions: Versions;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

interface Work extends Steps {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: JobProgress) => void;
}

/** Shares of a job's progress bar: the search, then each candidate's cutting and measuring. */
const SEARCH_SHARE = 0.4;

/**
 * The main job: constraints in, a verified ONNX model and its report out. Searches, then cuts, calibrates and measures candidates,
 * most accurate first, until one passes every check.
 * @returns `succeeded`, or `failed` with the problem (`infeasible-constraints`, `verification-failed`, `no-latency-data`, ...)
 * @throws the signal's reason when aborted
 */
export async function specialize(bench: Workbench, claim: Claim, work: Work): Promise<Outcome> {
  const start = bench.now();
  try {
    const { predictor } = bench;
    if (predictor === undefined) throw noPredictor(bench.bundle.id);
    const found = await runSearch({ ...bench, predictor }, claim, work);
    const models = { predictor, latency: bench.latency };
    const bounds = limitBounds(claim.request, models);
    const paretoFront = found.paretoFront.map((candidate) => withIntervals(models, candidate, bounds));
    const searched = { ...found, paretoFront };
    const searchSeconds = (bench.now() - start) / 1000;
    const delivered = await deliverFirstPassing(bench, claim, { searched, work });
    const more = await moreBudgetOf({ ...bench, predictor }, claim, { searched, searchSeconds, steps: stepsOf(work) });
    const timings = { ...delivered.timings, searchSeconds, totalSeconds: (bench.now() - start) / 1000 };
    const report = makeReport(bench, claim, { ...delivered, searched, moreBudget: more, timings });
    work.onProgress({ stage: 'publishing', fraction: 1 });
    return { status: 'succeeded', report, model: delivered.delivery.extracted.model };
  } catch (error) {
    throwIfAborted(work.signal);
    if (error instanceof BespokeError) return { status: 'failed', problem: toProblem(error) };
    throw error;
  }
}

type SearchableBench = Workbench & { readonly predictor: AccuracyPredictor };

async function runSearch(
  bench: SearchableBench,
  { request, earlierFronts = [] }: Claim,
  work: Work,
): Promise<SearchResult> {
  const frontNow = makeFrontTeller(bench.now, frontAxisOf(request));
  try {
    return await search({
      ...searchOptionsOf({ ...bench, space: bench.bundle.supernet.space }, request),
      ...stepsOf(work),
      warmStart: warmArchs(
        earlierFronts.map(({ archs }) => archs),
        request.search.evaluations,
      ),
      onProgress: ({ evaluations, bestTop1 }, front) =>
        work.onProgress({
          stage: 'searching',
          fraction: (SEARCH_SHARE * evaluations) / request.search.evaluations,
          note: `best predicted top-1 ${bestTop1.toFixed(4)}`,
          ...frontNow(evaluations, front),
        }),
    });
  } catch (error) {
    throw inRequestTerms(error, request, limitBounds(request, bench).top1Shortfall);
  }
}

/** What a little more of each limit would buy; a time limit holds for the further searches too. */
function moreBudgetOf(
  bench: SearchableBench,
  { request }: Claim,
  { searched, searchSeconds, steps }: { searched: SearchResult; searchSeconds: number; steps: Steps },
): Promise<readonly Relaxation[]> {
  const { maxSeconds } = request.search;
  const models = { ...bench, space: bench.bundle.supernet.space };
  const from = bench.now();
  const secondsLeft = (): number => (maxSeconds ?? 0) - searchSeconds - (bench.now() - from) / 1000;
  const left = maxSeconds === undefined ? {} : { secondsLeft };
  return moreBudget({ models, request, searched, steps, ...left });
}

interface Attempt {
  readonly delivery: Delivery;
  readonly measured: MeasuredFigures;
  readonly checks: readonly Check[];
}

/** Cuts and measures candidates until one passes. @throws BespokeError `verification-failed` with the last one's checks */
async function deliverFirstPassing(
  bench: Workbench,
  { request }: Claim,
  { searched, work }: { readonly searched: SearchResult; readonly work: Work },
): Promise<Delivered> {
  const rejected: RejectedCandidate[] = [];
  const tried = new Set<string>();
  const seconds = { extractSeconds: 0, calibrateSeconds: 0, verifySeconds: 0 };
  const expected = await expectedRatio(bench, request, stepsOf(work));
  const ratios: number[] = [];
  const shortfalls: number[] = [];
  for (let index = 0; index < MAX_CANDIDATES; index++) {
    const { maxLatencyMs, minTop1 } = request.constraints;
    const candidate = nextCandidate({
      front: searched.paretoFront,
      tried,
      objective: request.objective,
      maxLatencyMs,
      ...(minTop1 === undefined ? {} : { minTop1: minTop1 + measuredShortfall(shortfalls) }),
      latencyRatio: latencyRatio(expected, ratios),
    });
    if (candidate === undefined) break;
    tried.add(candidate.archId);
    const attempt = await tryCandidate(bench, { request, candidate, index, work, seconds });
    if (attempt.checks.every(({ outcome }) => outcome !== 'failed')) {
      return { ...attempt, candidate, rejected, timings: seconds };
    }
    rejected.push({ candidate, checks: attempt.checks });
    ratios.push(...ratioOf(candidate, attempt.measured));
    const { measuredTop1 } = attempt.measured;
    if (measuredTop1 !== undefined) shortfalls.push(candidate.predictedTop1 - measuredTop1);
  }
  throw verificationFailed(rejected);
}

/** What a prediction has to be multiplied with before anything was measured: how slow the machine is now, and how far the model errs. */
async function expectedRatio(
  { latency, measuring }: Workbench,
  request: Claim['request'],
  steps: Steps,
): Promise<number> {
  if (latency === undefined || request.constraints.maxLatencyMs === undefined) return 1;
  const margin =
    request.search.confidence !== undefined
      ? latencyFactorOf(request, latency)
      : (latencyInterval(latency.profile, 1, INTERVAL_CONFIDENCE)?.high ?? 1);
  const isMeasured = request.verify.latency === 'measured';
  return isMeasured && measuring.drift !== undefined ? margin * (await measuring.drift(steps)) : margin;
}

/** Measured upper bound over predicted latency, where there are both. */
function ratioOf({ predictedLatencyMs }: Candidate, { measuredLatency }: MeasuredFigures): readonly number[] {
  if (predictedLatencyMs === undefined || measuredLatency === undefined) return [];
  return [measuredLatency.highMs / predictedLatencyMs];
}

interface TryOptions {
  readonly request: Claim['request'];
  readonly candidate: Candidate;
  readonly index: number;
  readonly work: Work;
  /** Filled in place: seconds per stage, over all candidates. */
  readonly seconds: { extractSeconds: number; calibrateSeconds: number; verifySeconds: number };
}

async function tryCandidate(
  bench: Workbench,
  { request, candidate, index, work, seconds }: TryOptions,
): Promise<Attempt> {
  const share = (1 - SEARCH_SHARE) / MAX_CANDIDATES;
  const tell = (stage: JobProgress['stage'], part: number): void =>
    work.onProgress({ stage, fraction: SEARCH_SHARE + share * (index + part), note: `candidate ${index + 1}` });
  let mark = bench.now();
  const lap = (): number => {
    const from = mark;
    mark = bench.now();
    return (mark - from) / 1000;
  };
  const delivery = await deliver(bench.bundle, candidate.arch, {
    ...stepsOf(work),
    exported: request.export,
    onStage: (stage) => {
      if (stage === 'calibrating') seconds.extractSeconds += lap();
      tell(stage, stage === 'extracting' ? 0 : 0.1);
    },
  });
  seconds.calibrateSeconds += lap();
  tell('verifying', 0.5);
  const verified = await verify(bench, { request, delivery, steps: stepsOf(work) });
  seconds.verifySeconds += lap();
  return { delivery, ...verified };
}

function verificationFailed(rejected: readonly RejectedCandidate[]): BespokeError {
  const last = rejected.at(-1);
  const failed = last?.checks.filter(({ outcome }) => outcome === 'failed') ?? [];
  const what = failed.map(({ id, detail }) => `${id}: ${detail}`).join('; ');
  return new BespokeError(
    'verification-failed',
    `None of the ${rejected.length} candidates that were cut and measured passed every check; the last one failed ${what}`,
    { checks: last?.checks ?? [] },
  );
}
