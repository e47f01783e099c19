/**
 * What is answered without a search, or should end one: whether limits can be met, refusals, bad requests, stored answers, and how long a
 * canceled search goes on. A real server on PostgreSQL and Redis; a Redis of its own unless REDIS_URL names one.
 *
 *   npm run bench:answers -- [--requests N] [--cancels N] [--hardware ID] [--data-dir DIR] [--models DIR] [--seed N]
 *     [--quick] [--json]
 *
 * Times are from sending a request to the end of its answer, in this process on the same machine.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { BespokeError } from '../src/common/errors.js';
import { makeRng, type Rng } from '../src/common/rng.js';
import { askBounds, type Bounds, badRequests, estimates, refusals } from './answers-requests.js';
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
} from './harness.js';
import { startRedisProcess } from './redis-process.js';
import { startServerProcess } from './server-process.js';
import { type Summary, summarize } from './statistics.js';
import { type Answer, type Asked, eventsOf, faultOf, post, type Target } from './timed-request.js';

const SETTINGS = { full: { requests: 30, cancels: 30 }, quick: { requests: 3, cancels: 3 } } as const;
/** As many as a request may ask for: such a search lasts longer than anything measured beside it. */
const MOST_EVALUATIONS = 1_000_000;
const FEWEST_EVALUATIONS = 1_000;
/** Requests of each kind before the timed ones. */
const WARM_UP = 2;
/** A search is canceled this long after its first front at most, ms: early and late in it. */
const CANCEL_WITHIN_MS = { full: 4000, quick: 500 } as const;
/** MACs of the networks that are cut while requests are sent, in the smallest one's: large enough that measuring them takes its time. */
const ROOMY_MACS = 16;
/** Between two requests to a server that measures at most, ms: so that each kind meets all that a job does. */
const MOST_GAP_MS = 150;
/** How long a search goes on before requests are sent beside it, ms. */
const SETTLE_MS = 500;
/** Targets, ms. */
const TARGETS = { estimate: 200, cancel: 100 } as const;

interface Timing {
  readonly label: string;
  readonly ms: Summary | undefined;
  /** Answers that took longer than they may. */
  readonly late: number;
  /** Answers that were not what they should be; empty if all is well. */
  readonly faults: readonly string[];
  /** What a refused request was told. */
  readonly detail?: string;
}

const lateOf = (ms: readonly number[], targetMs: number): number => ms.filter((each) => each > targetMs).length;

/** Sends a request several times, one after the other. */
async function time(
  target: Target,
  asked: Asked,
  requests: number,
  wait: () => Promise<void> = async () => {},
): Promise<Timing> {
  const ms: number[] = [];
  const faults = new Set<string>();
  let detail: string | undefined;
  for (let index = -WARM_UP; index < requests; index++) {
    await wait();
    const timed = await post(target, asked.path, asked.body);
    const fault = faultOf(asked, timed);
    if (fault !== undefined) faults.add(fault);
    detail = timed.answer.detail;
    if (index >= 0) ms.push(timed.ms);
  }
  const late = lateOf(ms, TARGETS.estimate);
  return { label: asked.label, ms: summarize(ms), late, faults: [...faults], ...(detail !== undefined && { detail }) };
}

/** @param wait before each request; not at all unless told */
async function timeAll(
  target: Target,
  all: readonly Asked[],
  requests: number,
  wait?: () => Promise<void>,
): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const asked of all) timings.push(await time(target, asked, requests, wait));
  return timings;
}

/** A request that takes long, whatever was asked before. */
const longSearch = ({ smallest }: Bounds, seed: number) => ({
  constraints: { maxMacs: Math.floor(4 * (smallest.maxMacs ?? 1)) },
  seed,
  search: { evaluations: MOST_EVALUATIONS, fresh: true },
});

async function startJob(target: Target, body: object): Promise<string> {
  const { status, answer } = await post(target, '/v1/specializations', body);
  if (answer.id === undefined)
    throw new BespokeError('internal', `a job was answered with ${status}: ${answer.detail}`);
  return answer.id;
}

/** Times of one cancel, ms after it was sent. */
interface Canceled {
  readonly answered: number;
  /** By the row's `finishedAt`: the search had stopped, and the worker wrote the row. */
  readonly stopped: number;
  /** The event `canceled` was read. */
  readonly seen: number;
}

interface Drawn {
  readonly rng: Rng;
  readonly withinMs: number;
  /** True: as soon as it runs, before its first front. */
  readonly isEarly: boolean;
}

/** One cancel in so many is an early one. */
const EARLY_EVERY = 4;

/** Cancels a job some time after its search has shown a first front, or early. */
async function cancelOne(target: Target, bounds: Bounds, { rng, withinMs, isEarly }: Drawn): Promise<Canceled> {
  const id = await startJob(target, longSearch(bounds, rng.int(2 ** 31)));
  let sent: { readonly atMs: number; readonly date: number; readonly answered: Promise<number> } | undefined;
  for await (const { name, atMs, row: seen } of eventsOf(target, id)) {
    if (name === (isEarly ? 'progress' : 'front') && sent === undefined) {
      if (!isEarly) await delay(rng.int(withinMs));
      const answered = post(target, `/v1/specializations/${id}/cancel`).then(({ ms }) => ms);
      sent = { atMs: performance.now(), date: Date.now(), answered };
    }
    if (seen.finishedAt == null) continue;
    if (name !== 'canceled' || sent === undefined)
      throw new BespokeError('internal', `a job that should search for long ended: ${name}, ${seen.problem?.detail}`);
    const stopped = Date.parse(seen.finishedAt) - sent.date;
    return { answered: await sent.answered, stopped, seen: atMs - sent.atMs };
  }
  throw new BespokeError('internal', 'the stream of events ended before the job did');
}

async function timeCancels(
  target: Target,
  bounds: Bounds,
  { count, ...drawn }: Omit<Drawn, 'isEarly'> & { readonly count: number },
): Promise<Timing[]> {
  const canceled: Canceled[] = [];
  for (let index = 0; index < count; index++)
    canceled.push(await cancelOne(target, bounds, { ...drawn, isEarly: index % EARLY_EVERY === 0 }));
  const of = (label: string, key: keyof Canceled): Timing => ({
    label,
    ms: summarize(canceled.map((each) => each[key])),
    late: lateOf(
      canceled.map((each) => each[key]),
      TARGETS.cancel,
    ),
    faults: [],
  });
  return [
    of('cancel, answered', 'answered'),
    of('cancel, search stopped (row)', 'stopped'),
    of('cancel, seen in the events', 'seen'),
  ];
}

/** Searches that wait for each other, so that the server searches longer than any requests take. */
const LONG_SEARCHES = 6;

/** Keeps the server searching while `work` runs. */
async function whileSearching<T>(target: Target, bounds: Bounds, work: () => Promise<T>): Promise<T> {
  const ids: string[] = [];
  for (let seed = 1; seed <= LONG_SEARCHES; seed++) ids.push(await startJob(target, longSearch(bounds, seed)));
  const id = ids[ids.length - 1]!;
  let isOver = false;
  const over = (async () => {
    for await (const { row: seen } of eventsOf(target, id)) isOver = seen.finishedAt != null;
  })();
  await delay(SETTLE_MS);
  const result = await work();
  if (isOver)
    throw new BespokeError('internal', 'the searches that were to go on beside the requests ended before them');
  for (const each of ids) await post(target, `/v1/specializations/${each}/cancel`);
  await over;
  return result;
}

/** Runs a job to its end. */
async function runJob(target: Target, body: object): Promise<void> {
  const id = await startJob(target, body);
  for await (const { name, row: seen } of eventsOf(target, id)) {
    if (name === 'failed') throw new BespokeError('internal', `a job failed: ${seen.problem?.detail}`);
  }
}

/** Keeps the server cutting, calibrating and measuring while `work` runs: one job after the other, each of a short search. */
async function whileDelivering<T>(target: Target, { smallest }: Bounds, work: () => Promise<T>): Promise<T> {
  const constraints = { maxMacs: Math.floor(ROOMY_MACS * (smallest.maxMacs ?? 1)) };
  let isOver = false;
  const deliver = async (): Promise<void> => {
    for (let seed = 1; !isOver; seed++)
      await runJob(target, { constraints, seed, search: { evaluations: FEWEST_EVALUATIONS, fresh: true } });
  };
  const asked = work().finally(() => {
    isOver = true;
  });
  const [result] = await Promise.all([asked, deliver()]);
  return result;
}

/** Runs a job, then asks the same again. */
async function timeStored(target: Target, { smallest }: Bounds, requests: number): Promise<Timing> {
  const constraints = { maxMacs: Math.floor(4 * (smallest.maxMacs ?? 1)) };
  const body = { constraints, search: { evaluations: FEWEST_EVALUATIONS } };
  await runJob(target, body);
  const timing = await time(
    target,
    { label: 'the same again, stored answer', path: '/v1/specializations', body, status: 200 },
    requests,
  );
  const { answer }: { answer: Answer } = await post(target, '/v1/specializations', body);
  return typeof answer.storedAnswerOf === 'string' ? timing : { ...timing, faults: ['it is not a stored answer'] };
}

async function measure(target: Target, options: BenchOptions) {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const requests = countOption(options, 'requests', settings.requests);
  const cancels = countOption(options, 'cancels', settings.cancels);
  const withinMs = options.isQuick ? CANCEL_WITHIN_MS.quick : CANCEL_WITHIN_MS.full;
  const rng = makeRng(options.seed).fork('answers');
  const bounds = await askBounds(target);
  const asked = [...(await estimates(target, bounds)), ...refusals(bounds)];
  note('nothing running');
  const idle = await timeAll(target, asked, requests);
  note('while a search runs');
  const busy = await whileSearching(target, bounds, () => timeAll(target, asked, requests));
  note('while networks are cut and measured');
  const measuring = await whileDelivering(target, bounds, () =>
    timeAll(target, asked, requests, () => delay(rng.int(MOST_GAP_MS))),
  );
  note('bad requests, the same request again, cancels');
  const bad = await timeAll(target, badRequests(bounds), requests);
  const stored = await timeStored(target, bounds, requests);
  const canceled = await timeCancels(target, bounds, { count: cancels, rng, withinMs });
  return {
    settings: { requests, cancels, cancelWithinMs: withinMs, hardware: target.hardwareId ?? 'default' },
    figures: { bounds, idle, busy, measuring, bad, stored, canceled },
  };
}

function timingLines({ label, ms, late, faults }: Timing, targetMs: number): string[] {
  const figures =
    ms === undefined
      ? 'none measured'
      : `median ${digits(ms.median)}, p90 ${digits(ms.p90)}, max ${digits(ms.max)} ms, n ${ms.n}`;
  const missed = late === 0 ? '' : `; more than ${targetMs} ms ${late} times`;
  return [row(label.padEnd(52), `${figures}${missed}`), ...faults.map((fault) => `  WRONG: ${fault}`)];
}

type Figures = Awaited<ReturnType<typeof measure>>['figures'];

function linesOf({ idle, busy, measuring, bad, stored, canceled }: Figures): string[] {
  const under = (targetMs: number) => (timing: Timing) => timingLines(timing, targetMs);
  return [
    `nothing running (target: each under ${TARGETS.estimate} ms)`,
    ...idle.flatMap(under(TARGETS.estimate)),
    '',
    'the same while a search runs',
    ...busy.flatMap(under(TARGETS.estimate)),
    '',
    'the same while networks are cut, calibrated and measured, one after the other',
    ...measuring.flatMap(under(TARGETS.estimate)),
    '',
    `cancels of searches of ${MOST_EVALUATIONS.toLocaleString('en-US')} evaluations (target: the search stops within ${TARGETS.cancel} ms)`,
    ...canceled.flatMap(under(TARGETS.cancel)),
    '',
    ...timingLines(stored, TARGETS.estimate),
    '',
    'bad requests',
    ...bad.flatMap((timing) => [...timingLines(timing, TARGETS.estimate), `  ${timing.detail ?? ''}`]),
  ];
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { given } = options;
  const redis = process.env.REDIS_URL === undefined ? await startRedisProcess() : undefined;
  if (redis !== undefined) process.env.REDIS_URL = redis.url; // the server inherits it
  const { dir, remove } = openDataDir(given['data-dir']);
  try {
    const server = await startServerProcess(dir, modelDirsOf(given.models));
    try {
      const { settings, figures } = await measure({ url: server.url, hardwareId: given.hardware }, options);
      const { idle, busy, measuring, bad, stored, canceled } = figures;
      const all = [...idle, ...busy, ...measuring, ...bad, stored, ...canceled];
      return { settings, figures, lines: linesOf(figures), hasFailed: all.some(({ faults }) => faults.length > 0) };
    } finally {
      await server.stop();
    }
  } finally {
    remove();
    redis?.stop();
  }
}

await runBench({
  name: 'answers',
  options: {
    requests: `timed requests of each kind (${SETTINGS.full.requests}, quick ${SETTINGS.quick.requests})`,
    cancels: `searches to cancel (${SETTINGS.full.cancels}, quick ${SETTINGS.quick.cancels})`,
    hardware: 'hardware type to ask about (the one that the server takes unless told)',
    'data-dir': DATA_DIR_OPTION,
    models: MODELS_OPTION,
  },
  run,
});
