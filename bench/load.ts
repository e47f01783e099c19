/**
 * The server under load: seconds from POST to success, what of them is the search; memory of the whole process tree when idle; how fast
 * `/healthz` answers while jobs run back to back, and how many requests for the history and for a row it answers per second.
 *
 *   npm run bench:load -- [--jobs N] [--data-dir DIR] [--models DIR] [--seed N] [--quick] [--json]
 *
 * The load is made in this process, on the same machine: what it takes of the cores, the server does not have.
 */
import { setTimeout as delay } from 'node:timers/promises';
import autocannon from 'autocannon';
import { makeRng, type Rng } from '../src/common/rng.js';
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
import { type Probe, probe } from './probe.js';
import { processTree, type ServerProcess, startServerProcess } from './server-process.js';
import { summarize } from './statistics.js';

const SETTINGS = {
  full: { jobs: 20, idleSeconds: 10, probeSeconds: 30, requestSeconds: 8 },
  quick: { jobs: 3, idleSeconds: 3, probeSeconds: 4, requestSeconds: 1 },
} as const;
const EVALUATIONS = 50_000;
/** How often a timed job's row is looked at, ms: its seconds are too long by half of that in the middle. */
const TIMED_POLL_MS = 25;
/** The same for jobs that only keep the server busy. */
const BUSY_POLL_MS = 200;
/** Share of the probing that is done while nothing runs. */
const IDLE_PROBE_SHARE = 0.25;
const PROBES_PER_SECOND = 50;
const CONNECTIONS = 10;

interface TimedJob {
  readonly seconds: number;
  /** Between the two times in the row. */
  readonly rowSeconds: number;
  readonly candidatesTried: number;
  readonly timings: Awaited<ReturnType<typeof wayOf>>['timings'];
}

interface Jobs {
  readonly ids: readonly string[];
  readonly timed: readonly TimedJob[];
  readonly problems: readonly string[];
}

const nextRequest = (subject: Subject, rng: Rng, pollMs: number) => ({
  constraints: drawBudget(subject, rng),
  seed: rng.int(2 ** 31),
  evaluations: EVALUATIONS,
  pollMs,
});

interface JobCount extends Pick<BenchOptions, 'isOutOfTime'> {
  readonly count: number;
}

/** Jobs one after the other, each with its own budget and seed. */
async function timeJobs(subject: Subject, rng: Rng, wanted: JobCount): Promise<Jobs> {
  const { count, isOutOfTime } = wanted;
  const ids: string[] = [];
  const timed: TimedJob[] = [];
  const problems: string[] = [];
  for (let index = 1; index <= count && !(index > 1 && isOutOfTime()); index++) {
    const request = nextRequest(subject, rng, TIMED_POLL_MS);
    const { row: ended, seconds } = await runJob(subject, request);
    ids.push(ended.id);
    note(`job ${index}/${count} ${ended.status} after ${seconds.toFixed(2)} s`);
    if (ended.status !== 'succeeded' || ended.finishedAt == null) {
      problems.push(`${JSON.stringify(request.constraints)}: ${ended.problem?.detail ?? ended.status}`);
      continue;
    }
    const rowSeconds = (Date.parse(ended.finishedAt) - Date.parse(ended.createdAt)) / 1000;
    timed.push({ seconds, rowSeconds, ...(await wayOf(subject, ended.id)) });
  }
  return { ids, timed, problems };
}

function jobFigures({ timed, problems }: Jobs) {
  const stage = (name: keyof TimedJob['timings']) => summarize(timed.map(({ timings }) => timings[name]));
  const searchShare = timed.map(({ timings }) => (100 * timings.searchSeconds) / timings.totalSeconds);
  return {
    evaluations: EVALUATIONS,
    jobs: timed.length + problems.length,
    succeeded: timed.length,
    problems,
    postToSucceededSeconds: summarize(timed.map(({ seconds }) => seconds)),
    rowSeconds: summarize(timed.map(({ rowSeconds }) => rowSeconds)),
    searchSeconds: stage('searchSeconds'),
    searchSharePercent: summarize(searchShare),
    extractSeconds: stage('extractSeconds'),
    calibrateSeconds: stage('calibrateSeconds'),
    verifySeconds: stage('verifySeconds'),
    candidatesTried: summarize(timed.map(({ candidatesTried }) => candidatesTried)),
    pollMs: TIMED_POLL_MS,
    timed,
  };
}

/** Memory of the server's process tree after it had nothing to do for a while. */
async function idleMemory({ pid }: ServerProcess, seconds: number) {
  note(`idle for ${seconds} s`);
  await delay(seconds * 1000);
  const processes = processTree(pid);
  const sum = (bytes: readonly (number | undefined)[]): number | undefined =>
    bytes.length === 0
      ? undefined
      : bytes.reduce((a, b) => (a === undefined || b === undefined ? undefined : a + b), 0);
  return {
    idleSeconds: seconds,
    rssBytes: sum(processes.map(({ rssBytes }) => rssBytes)),
    pssBytes: sum(processes.map(({ pssBytes }) => pssBytes)),
    processes,
  };
}

/** Probes `/healthz` while jobs run back to back, or while nothing runs. */
async function probeHealth(subject: Subject, { isBusy, seconds, rng }: { isBusy: boolean; seconds: number; rng: Rng }) {
  const ending = new AbortController();
  const { signal } = ending;
  let jobs = 0;
  const keepBusy = async (): Promise<void> => {
    while (!signal.aborted) {
      jobs++;
      await runJob(subject, { ...nextRequest(subject, rng, BUSY_POLL_MS), signal });
    }
  };
  const probing = probe(`${subject.url}/healthz`, { perSecond: PROBES_PER_SECOND, seconds }).finally(() =>
    ending.abort(),
  );
  const [probed] = await Promise.all([probing, isBusy ? keepBusy() : undefined]);
  note(`/healthz probed ${probed.sent} times${isBusy ? ` during ${jobs} jobs` : ''}`);
  return { ...probed, jobs };
}

async function requestsPerSecond(url: string, seconds: number) {
  const { requests, latency, non2xx, errors } = await autocannon({ url, connections: CONNECTIONS, duration: seconds });
  return {
    perSecond: requests.average,
    perSecondStdDev: requests.stddev,
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    connections: CONNECTIONS,
    notOk: non2xx + errors,
  };
}

const settingsOf = ({ isQuick }: BenchOptions) => (isQuick ? SETTINGS.quick : SETTINGS.full);

type IdleMemory = Awaited<ReturnType<typeof idleMemory>>;

async function measure(server: ServerProcess, options: BenchOptions, idleAfterProfiling: IdleMemory | null) {
  const settings = settingsOf(options);
  const jobCount = countOption(options, 'jobs', settings.jobs);
  const rng = makeRng(options.seed).fork('load');
  const subject = await openSubject(server);
  const { url, supernetId } = subject;
  // With --quick a server that has just profiled is the only one there is.
  const afterStart = server.hasProfiled ? null : await idleMemory(server, settings.idleSeconds);
  const jobs = await timeJobs(subject, rng, { count: jobCount, isOutOfTime: options.isOutOfTime });
  const seconds = settings.probeSeconds;
  const healthIdle = await probeHealth(subject, { isBusy: false, seconds: seconds * IDLE_PROBE_SHARE, rng });
  const healthBusy = await probeHealth(subject, { isBusy: true, seconds, rng });
  const rowUrl = `${url}/v1/specializations/${jobs.ids[0]}`;
  const requests = {
    history: await requestsPerSecond(`${url}/v1/specializations`, settings.requestSeconds),
    row: await requestsPerSecond(rowUrl, settings.requestSeconds),
  };
  const afterJobs = options.isQuick ? null : await idleMemory(server, settings.idleSeconds);
  const figures = {
    startSeconds: server.startSeconds,
    jobs: jobFigures(jobs),
    idle: { afterProfiling: idleAfterProfiling, afterStart, afterJobs },
    healthz: { idle: healthIdle, busy: healthBusy },
    requests,
  };
  return { figures, settings: { ...settings, jobs: jobCount, supernet: supernetId, evaluations: EVALUATIONS } };
}

type Figures = Awaited<ReturnType<typeof measure>>['figures'] & {
  readonly firstStart: { readonly hasProfiled: boolean; readonly seconds: number };
};

function memoryLines(label: string, idle: IdleMemory | null): string[] {
  if (idle === null) return [];
  const mebibytes = (bytes: number | undefined): string =>
    bytes === undefined ? 'not known' : `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const each = idle.processes.map(
    ({ name, pid, rssBytes, pssBytes }) =>
      `    ${name} (${pid}): ${mebibytes(rssBytes)} RSS, ${mebibytes(pssBytes)} PSS`,
  );
  return [
    row(
      label,
      `${mebibytes(idle.rssBytes)} RSS, ${mebibytes(idle.pssBytes)} PSS in ${each.length} processes, after ${idle.idleSeconds} s`,
    ),
    ...each,
  ];
}

function probeLines(
  label: string,
  { answeredMs, fromPlannedMs, sent, failed, jobs }: Probe & { jobs: number },
): string[] {
  const figures = ({ p50, p99, max }: Probe['answeredMs']): string =>
    `p50 ${digits(p50)} ms, p99 ${digits(p99)} ms, max ${digits(max)} ms`;
  return [
    row(label, `${figures(answeredMs)} (${sent} probes, ${failed} failed, ${jobs} jobs)`),
    row('  from the planned time', `${figures(fromPlannedMs)} (this process's own lateness included)`),
  ];
}

function linesOf({ firstStart, startSeconds, jobs, idle, healthz, requests }: Figures): string[] {
  const rate = ({ perSecond, perSecondStdDev, p50Ms, p99Ms, notOk }: Figures['requests']['row']): string =>
    `${digits(perSecond)} per second (standard deviation ${digits(perSecondStdDev)}), p50 ${p50Ms} ms, p99 ${p99Ms} ms, ${notOk} not answered with 2xx`;
  const p90 = digits(jobs.postToSucceededSeconds?.p90 ?? Number.NaN);
  return [
    ...(firstStart.hasProfiled
      ? [row('first start, profile measured', `${digits(firstStart.seconds)} s to the first answer`)]
      : []),
    row('start to first answer', `${digits(startSeconds)} s`),
    row('jobs that succeeded', share(jobs.succeeded, jobs.jobs)),
    ...jobs.problems.map((problem) => `  not: ${problem}`),
    row(
      'POST to succeeded',
      `${spread(jobs.postToSucceededSeconds, 's')}, p90 ${p90} s (looked at every ${TIMED_POLL_MS} ms)`,
    ),
    row("  by the row's own times", spread(jobs.rowSeconds, 's')),
    row(
      '  search',
      `${spread(jobs.searchSeconds, 's')}, ${digits(jobs.searchSharePercent?.median ?? Number.NaN)} % of the job`,
    ),
    row('  extract', spread(jobs.extractSeconds, 's')),
    row('  calibrate', spread(jobs.calibrateSeconds, 's')),
    row('  verify', spread(jobs.verifySeconds, 's')),
    row('  candidates tried', spread(jobs.candidatesTried, '')),
    ...memoryLines('idle after a start with profiling', idle.afterProfiling),
    ...memoryLines('idle after a usual start', idle.afterStart),
    ...memoryLines('idle after everything', idle.afterJobs),
    ...probeLines('/healthz, nothing running', healthz.idle),
    ...probeLines('/healthz, jobs back to back', healthz.busy),
    row('GET /v1/specializations', rate(requests.history)),
    row('GET /v1/specializations/{id}', rate(requests.row)),
  ];
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const { given } = options;
  const modelDirs = modelDirsOf(given.models);
  const { dir, remove } = openDataDir(given['data-dir']);
  let server = await startServerProcess(dir, modelDirs);
  try {
    const { hasProfiled, startSeconds } = server;
    const { idleSeconds } = settingsOf(options);
    const idleAfterProfiling = hasProfiled ? await idleMemory(server, idleSeconds) : null;
    if (hasProfiled && !options.isQuick) {
      // The usual start finds its profile: everything else is measured on one.
      await server.stop();
      server = await startServerProcess(dir, modelDirs);
    }
    const measured = await measure(server, options, idleAfterProfiling);
    const figures = { firstStart: { hasProfiled, seconds: startSeconds }, ...measured.figures };
    return { settings: measured.settings, figures, lines: linesOf(figures) };
  } finally {
    await server.stop();
    remove();
  }
}

await runBench({
  name: 'load',
  options: {
    jobs: `timed jobs (${SETTINGS.full.jobs}, quick ${SETTINGS.quick.jobs})`,
    'data-dir': DATA_DIR_OPTION,
    models: MODELS_OPTION,
  },
  run,
});
