import type { Steps } from '../common/work.js';
import type { SearchOptions, SearchResult } from '../search/result.js';
import { search } from '../search/search.js';
import type { Candidate } from '../search/types.js';
import { limitBounds } from './confidence.js';
import { type Predicting, searchOptionsOf } from './search-options.js';
import type { Constraints, Relaxation, SpecializationRequest } from './types.js';
import { spreadOver } from './warm-start.js';

/** How much more of a limit on a cost is asked about, and how much less top-1, a fraction: 5 % less of 0.93 would be no question. */
const MORE = 1.05;
const LESS_TOP1 = 0.005;
/** Digits of a latency limit that mean anything. */
const DIGITS = 12;
/** A further search's evaluations, as a share of the first one's, and at least; it begins with what the first one found. */
const FURTHER_SHARE = 0.1;
const LEAST_FURTHER = 1_000;
/** Architectures of the front that a further search begins with, spread over it. */
const STARTS = 200;

/** The limits that a network's costs are held against, and the figure of a candidate that each one limits. */
const COST_OF = {
  maxLatencyMs: ({ predictedLatencyMs }: Candidate) => predictedLatencyMs,
  maxMacs: ({ macs }: Candidate) => macs,
  maxParams: ({ params }: Candidate) => params,
  maxModelBytes: ({ modelBytes }: Candidate) => modelBytes,
  maxPeakMemoryBytes: ({ peakMemoryBytes }: Candidate) => peakMemoryBytes,
} as const satisfies Partial<Record<Relaxation['id'], (candidate: Candidate) => number | undefined>>;

const IDS: readonly Relaxation['id'][] = [
  'maxLatencyMs',
  'maxMacs',
  'maxParams',
  'maxModelBytes',
  'maxPeakMemoryBytes',
  'minTop1',
];

const FIGURE_OF = { accuracy: 'predictedTop1', latency: 'predictedLatencyMs', macs: 'macs' } as const;

/** A limit a little looser; counts stay whole. */
function loosened(id: Relaxation['id'], limit: number): number {
  if (id === 'minTop1') return Math.max(0, limit - LESS_TOP1);
  // Without the rounding of the product: 0.1 becomes 0.105.
  return id === 'maxLatencyMs' ? Number((limit * MORE).toPrecision(DIGITS)) : Math.floor(limit * MORE);
}

interface Asking {
  readonly models: Predicting;
  readonly request: SpecializationRequest;
  readonly searched: SearchResult;
  readonly steps: Steps;
  /** Seconds left of the request's time limit, which all further searches share; absent: no limit. */
  readonly secondsLeft?: () => number;
}

/** The options of a search with one limit loosened. The front runs along that limit, so that it also tells the best within the old one. */
function furtherOptions(
  { models, request, searched, steps, secondsLeft }: Asking,
  id: Relaxation['id'],
  limit: number,
): SearchOptions {
  const constraints: Constraints = { ...request.constraints, [id]: loosened(id, limit) };
  const evaluations = Math.max(LEAST_FURTHER, Math.round(FURTHER_SHARE * request.search.evaluations));
  const options = searchOptionsOf(models, { ...request, constraints, search: { ...request.search, evaluations } });
  return {
    ...options,
    ...(request.objective === 'accuracy' && id !== 'minTop1' ? { frontAxis: id } : {}),
    ...(secondsLeft === undefined ? {} : { maxSeconds: secondsLeft() }),
    warmStart: spreadOver(searched.paretoFront, STARTS).map(({ arch }) => arch),
    ...steps,
  };
}

/** Whether a candidate also keeps the limit as it was asked. */
function keeps({ models, request }: Asking, id: Relaxation['id'], limit: number): (candidate: Candidate) => boolean {
  const { latencyFactor, top1Shortfall } = limitBounds(request, models);
  if (id === 'minTop1') return ({ predictedTop1 }) => predictedTop1 - top1Shortfall >= limit;
  const factor = id === 'maxLatencyMs' ? latencyFactor : 1;
  return (candidate) => factor * (COST_OF[id](candidate) ?? Number.POSITIVE_INFINITY) <= limit;
}

async function ask(asking: Asking, id: Relaxation['id'], limit: number): Promise<Relaxation> {
  const { request, searched, secondsLeft } = asking;
  const { objective } = request;
  const figure = FIGURE_OF[objective];
  const figureOf = (candidate: Candidate): number => candidate[figure] ?? Number.NaN; // a minimized latency is always predicted
  const better = (a: number, b: number): number => (objective === 'accuracy' ? Math.max(a, b) : Math.min(a, b));
  const known = { id, limit, relaxedLimit: loosened(id, limit), figure };
  const best = figureOf(searched.best);
  if (searched.cutShort || (secondsLeft !== undefined && secondsLeft() <= 0)) {
    return { ...known, from: best, evaluations: 0, why: 'the time limit left no further search' };
  }
  const found = await search(furtherOptions(asking, id, limit));
  // What a further search finds within the old limit is no merit of the looser one.
  const isOld = keeps(asking, id, limit);
  const from = found.paretoFront.filter(isOld).map(figureOf).reduce(better, best);
  const to = better(figureOf(found.best), from);
  const gain = to === from ? {} : { archId: found.best.archId };
  const short = found.cutShort ? { why: 'the time limit ended the further search early' } : {};
  return { ...known, from, to, ...gain, evaluations: found.evaluations, ...short };
}

/**
 * Says of each limit of a request what a little more of it would buy, by a further search with that limit loosened alone, which begins with
 * the front. For the objective `accuracy`, `minTop1` buys nothing and is left out.
 * @param searched what was found within the limits
 * @throws the signal's reason when aborted
 */
export async function moreBudget(asking: Asking): Promise<readonly Relaxation[]> {
  const { constraints, objective } = asking.request;
  const answers: Relaxation[] = [];
  for (const id of IDS) {
    const limit = constraints[id];
    if (limit === undefined || (id === 'minTop1' && objective === 'accuracy')) continue;
    answers.push(await ask(asking, id, limit));
  }
  return answers;
}
