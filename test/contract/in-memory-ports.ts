import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import type { ApiDeps, JobQueue, SupernetInfo } from '../../src/api/ports.js';
import { BespokeError, toProblem } from '../../src/common/errors.js';
import { sha256 } from '../../src/common/hash.js';
import { makeRng } from '../../src/common/rng.js';
import type { ArtifactStore, HistoryFilter, Idempotency, SpecializationStore } from '../../src/specialize/ports.js';
import type { Report, SearchFront, SpecializationRequest, SpecializationRow } from '../../src/specialize/types.js';
import { makeCatalog, SUPERNET } from './sample-catalog.js';
import { reportOf, resultOf } from './sample-report.js';

/** Switches that make a port fail as its real counterpart would. */
export interface Faults {
  database: boolean;
  queue: boolean;
  /** Reading a model fails after its first chunk. */
  midStream: boolean;
}

export interface MemoryPorts {
  readonly deps: ApiDeps;
  readonly rows: Map<string, SpecializationRow>;
  readonly reports: Map<string, Report>;
  /** Of running searches, by id. */
  readonly fronts: Map<string, SearchFront>;
  readonly models: Map<string, Uint8Array>;
  readonly queued: string[];
  readonly logLines: string[];
  readonly faults: Faults;
  readonly supernets: SupernetInfo[];
  /** Adds a row in the given state; a succeeded one has its report and bytes. */
  add(status: SpecializationRow['status'], changes?: Partial<SpecializationRow>): SpecializationRow;
  succeed(id: string): void;
}

const REQUEST: SpecializationRequest = {
  supernetId: 'toy',
  hardwareId: 'local-cpu',
  constraints: { maxMacs: 3_000_000, latencyStatistic: 'p50' },
  objective: 'accuracy',
  seed: 1,
  search: { evaluations: 50_000 },
  verify: { latency: 'measured' },
  labels: { target: 'kiosk' },
};

function newRow(request: SpecializationRequest): SpecializationRow {
  return {
    id: randomUUID(),
    status: 'queued',
    stage: null,
    progress: 0,
    attempt: 0,
    request,
    createdAt: new Date(Date.UTC(2026, 0, 2)).toISOString(),
    startedAt: null,
    finishedAt: null,
    problem: null,
    result: null,
    cancelRequested: false,
    storedAnswerOf: null,
  };
}

function matches(row: SpecializationRow, filter: HistoryFilter): boolean {
  const { request, result } = row;
  const figures = result?.measured;
  return (
    (filter.status === undefined || row.status === filter.status) &&
    (filter.supernetId === undefined || request.supernetId === filter.supernetId) &&
    (filter.hardwareId === undefined || request.hardwareId === filter.hardwareId) &&
    (filter.archId === undefined || result?.archId === filter.archId) &&
    (filter.createdAfter === undefined || row.createdAt > filter.createdAfter) &&
    (filter.createdBefore === undefined || row.createdAt < filter.createdBefore) &&
    (filter.maxMacs === undefined || (figures !== undefined && figures.macs <= filter.maxMacs)) &&
    (filter.minTop1 === undefined || (figures?.measuredTop1 ?? -1) >= filter.minTop1) &&
    (filter.maxLatencyMs === undefined ||
      (figures?.measuredLatency?.valueMs ?? Number.POSITIVE_INFINITY) <= filter.maxLatencyMs) &&
    Object.entries(filter.labels ?? {}).every(([key, value]) => request.labels[key] === value)
  );
}

/** The tables of a store, and the fault switch that every port looks at. */
type Tables = Pick<MemoryPorts, 'rows' | 'reports' | 'fronts' | 'models' | 'faults'>;

/** A succeeded row with an answer key. */
function answered(
  rows: ReadonlyMap<string, SpecializationRow>,
  answers: ReadonlyMap<string, string>,
  key: string,
): SpecializationRow | undefined {
  return [...rows.values()].find(({ id, status }) => status === 'succeeded' && answers.get(id) === key);
}

function makeStore({ rows, reports, fronts, faults }: Tables): SpecializationStore {
  const keys = new Map<string, { bodyHash: string; id: string }>();
  /** Answer keys by the row's id. */
  const answers = new Map<string, string>();
  const up = (): void => {
    if (faults.database) throw new BespokeError('database-unavailable', 'The database cannot be reached.');
  };
  const repeated = (idempotency: Idempotency): SpecializationRow | undefined => {
    const known = keys.get(idempotency.key);
    if (known !== undefined && known.bodyHash !== idempotency.bodyHash)
      throw new BespokeError('conflict', 'This Idempotency-Key was used with another body.');
    return known === undefined ? undefined : rows.get(known.id);
  };
  return {
    repeated: async (idempotency) => {
      up();
      return repeated(idempotency);
    },
    create: async (request, idempotency, answer) => {
      up();
      const first = idempotency === undefined ? undefined : repeated(idempotency);
      if (first !== undefined) return { row: first, created: false };
      const fresh = newRow(request);
      const source = answer === undefined || answer.isFresh ? undefined : answered(rows, answers, answer.key);
      const given = source && { status: source.status, progress: 1, result: source.result, storedAnswerOf: source.id };
      const row: SpecializationRow = { ...fresh, ...(given && { ...given, finishedAt: fresh.createdAt }) };
      rows.set(row.id, row);
      if (answer !== undefined) answers.set(row.id, answer.key);
      const report = source && reports.get(source.id);
      if (report !== undefined)
        reports.set(row.id, { ...report, id: row.id, request, storedAnswerOf: source?.id ?? '' });
      if (idempotency !== undefined) keys.set(idempotency.key, { bodyHash: idempotency.bodyHash, id: row.id });
      return { row, created: true };
    },
    get: async (id) => {
      up();
      return rows.get(id);
    },
    list: async (filter, { limit, cursor }) => {
      up();
      const start = cursor === undefined ? 0 : Number(cursor);
      if (!Number.isSafeInteger(start)) throw new BespokeError('invalid-request', 'cursor is not one of ours.');
      const all = [...rows.values()].reverse().filter((row) => matches(row, filter));
      const end = start + limit;
      return { rows: all.slice(start, end), ...(end < all.length ? { nextCursor: String(end) } : {}) };
    },
    report: async (id) => {
      up();
      return reports.get(id);
    },
    withFronts: async (_frontKey, limit, among) => {
      up();
      const fit = (row: SpecializationRow): boolean =>
        row.status === 'succeeded' && (among === undefined ? row.storedAnswerOf === null : among.includes(row.id));
      const ids = [...rows.values()].filter(fit).map(({ id }) => id);
      return ids.reverse().slice(0, limit);
    },
    searchFront: async (id) => {
      up();
      return fronts.get(id);
    },
    requestCancel: async (id) => {
      up();
      const row = rows.get(id);
      if (row === undefined) return undefined;
      const next: SpecializationRow =
        row.status === 'queued'
          ? { ...row, status: 'canceled', finishedAt: row.createdAt }
          : row.status === 'running'
            ? { ...row, cancelRequested: true }
            : row;
      rows.set(id, next);
      return next;
    },
    remove: async (id) => {
      up();
      const row = rows.get(id);
      if (row?.status === 'queued' || row?.status === 'running')
        throw new BespokeError('conflict', `Specialization ${id} is ${row.status}; cancel it first.`);
      return rows.delete(id);
    },
    countByStatus: async () => {
      up();
      const counts = { queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
      for (const { status } of rows.values()) counts[status]++;
      return counts;
    },
  };
}

function makeArtifacts({ models, faults }: Tables): ArtifactStore {
  return {
    info: async (sha) => {
      if (faults.database) throw new BespokeError('database-unavailable', 'The database cannot be reached.');
      const bytes = models.get(sha)?.byteLength;
      return bytes === undefined ? undefined : { sha256: sha, bytes, opset: 17, exporterRevision: 1 };
    },
    read: async function* (sha, start, end) {
      const bytes = models.get(sha) ?? new Uint8Array();
      const chunk = 10_000;
      for (let at = start; at <= end; at += chunk) {
        yield bytes.slice(at, Math.min(at + chunk, end + 1));
        if (faults.midStream) throw new Error('the connection to the database broke');
      }
    },
  };
}

function makeQueue(queued: string[], faults: Faults): JobQueue {
  const up = (): void => {
    if (faults.queue) throw new BespokeError('queue-unavailable', 'The queue cannot be reached.');
  };
  return {
    enqueue: async ({ id }) => {
      up();
      queued.push(id);
    },
    depth: async () => {
      up();
      return queued.length;
    },
    cancel: async (id) => {
      up();
      const at = queued.indexOf(id);
      if (at >= 0) queued.splice(at, 1);
    },
    isReady: async () => !faults.queue,
  };
}

/** The ports in memory, as the real ones behave by their documentation. */
export function makeMemoryPorts(): MemoryPorts {
  const rng = makeRng(7);
  const bytes = Uint8Array.from({ length: 25_000 }, () => rng.int(256));
  const faults: Faults = { database: false, queue: false, midStream: false };
  const tables = {
    rows: new Map(),
    reports: new Map(),
    fronts: new Map(),
    models: new Map([[sha256(bytes) as string, bytes]]),
    faults,
  };
  const queued: string[] = [];
  const logLines: string[] = [];
  const supernets = [SUPERNET];
  const settings = {
    version: '0.0.0-test',
    log: pino({ level: 'debug' }, { write: (line: string) => void logLines.push(line) }),
    now: () => Date.UTC(2026, 0, 2),
    isReady: async () => !faults.database,
    pollMs: 2,
    heartbeatMs: 4,
  };
  const artifact = { sha256: sha256(bytes), bytes: bytes.byteLength, opset: 17, exporterRevision: 1 };
  const succeed = (id: string): void => {
    const row: SpecializationRow = tables.rows.get(id);
    const report = reportOf(row, artifact);
    tables.reports.set(id, report);
    tables.rows.set(id, {
      ...row,
      status: 'succeeded',
      stage: null,
      progress: 1,
      finishedAt: row.createdAt,
      result: resultOf(report),
    });
  };
  return {
    deps: {
      specializations: makeStore(tables),
      artifacts: makeArtifacts(tables),
      queue: makeQueue(queued, faults),
      catalog: makeCatalog(supernets),
      settings,
      pages: {
        reportHtml: async ({ id }) => `<!doctype html><title>${id}</title>`,
        frontSvg: async () => '<svg xmlns="http://www.w3.org/2000/svg"/>',
      },
    },
    ...tables,
    queued,
    logLines,
    supernets,
    succeed,
    add: (status, changes = {}) => {
      const failed = { problem: toProblem(new BespokeError('verification-failed', 'parity failed.')) };
      const row = { ...newRow(REQUEST), status, ...(status === 'failed' ? failed : {}), ...changes };
      tables.rows.set(row.id, row);
      if (status === 'succeeded') succeed(row.id);
      return tables.rows.get(row.id);
    },
  };
}
