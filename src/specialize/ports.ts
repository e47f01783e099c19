import type { Problem } from '../common/errors.js';
import type { Sha256 } from '../common/hash.js';
import type { Arch } from '../space/types.js';
import type {
  ArtifactInfo,
  JobProgress,
  Outcome,
  Report,
  SearchFront,
  SpecializationRequest,
  SpecializationRow,
  Status,
} from './types.js';

/** What the history can be filtered by; all given ones must hold. */
export interface HistoryFilter {
  readonly hardwareId?: string;
  readonly supernetId?: string;
  readonly status?: Status;
  /** `key=value` pairs that the labels must have. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly createdAfter?: string;
  readonly createdBefore?: string;
  /** Bounds on measured figures of succeeded rows (predicted latency where none was measured). */
  readonly minTop1?: number;
  readonly maxLatencyMs?: number;
  readonly maxMacs?: number;
  readonly archId?: string;
}

/** One page, newest first; `nextCursor` is opaque and absent on the last page. */
export interface HistoryPage {
  readonly rows: readonly SpecializationRow[];
  readonly nextCursor?: string;
}

/** What names everything that an answer depends on, and whether a stored one will do. */
export interface AnswerKey {
  readonly key: Sha256;
  /** Names bundle and latency model alone. */
  readonly frontKey: Sha256;
  /** True: search again, whatever is stored. */
  readonly isFresh: boolean;
}

/** What makes a request safe to repeat: the client's key, and the hash of the body that it stands for. */
export interface Idempotency {
  readonly key: string;
  readonly bodyHash: Sha256;
}

/** The stored rows, as the API and the CLI see them. */
export interface SpecializationStore {
  /**
   * Inserts a queued row. With an idempotency key that was used within 24 h: the same `bodyHash` gives the first row (`created: false`),
   * another one throws `conflict`. With an answer key that a succeeded row has, unless `isFresh`: the new row has succeeded at once, with
   * that row's answer (`storedAnswerOf`).
   */
  create(
    request: SpecializationRequest,
    idempotency?: Idempotency,
    answer?: AnswerKey,
  ): Promise<{ readonly row: SpecializationRow; readonly created: boolean }>;
  /** The row that an idempotency key stands for, as `create` would give it; undefined where the key is free. Throws `conflict` like it. */
  repeated(idempotency: Idempotency): Promise<SpecializationRow | undefined>;
  get(id: string): Promise<SpecializationRow | undefined>;
  list(filter: HistoryFilter, page: { readonly limit: number; readonly cursor?: string }): Promise<HistoryPage>;
  report(id: string): Promise<Report | undefined>;
  /**
   * Succeeded rows that were searched for with this front key, newest first.
   * @param among only these, in the order given
   */
  withFronts(frontKey: Sha256, limit: number, among?: readonly string[]): Promise<readonly string[]>;
  /** The front so far of a running search, as last told; undefined before the first one, and when nothing runs. */
  searchFront(id: string): Promise<SearchFront | undefined>;
  /** queued -> canceled at once; running -> `cancelRequested`; a finished row is left as it is. Undefined: no such row. */
  requestCancel(id: string): Promise<SpecializationRow | undefined>;
  /** Removes a finished row, and its artifact when no other row refers to it. Throws `conflict` for a queued or running row. False: no such row. */
  remove(id: string): Promise<boolean>;
  /** Rows per status, for the metrics. */
  countByStatus(): Promise<Readonly<Record<Status, number>>>;
}

/** A job taken by a worker; `attempt` is the fencing token of everything that follows. */
export interface Claim {
  readonly id: string;
  readonly attempt: number;
  readonly request: SpecializationRequest;
  readonly createdAt: string;
  /** The fronts that the request's `search.warmStart` names, as far as their rows are still there, each ascending in cost. */
  readonly earlierFronts?: readonly EarlierFront[];
}

/** Architectures that an earlier search found. */
export interface EarlierFront {
  readonly id: string;
  readonly archs: readonly Arch[];
}

/** The same rows, as a worker sees them. Every write carries the attempt and does nothing once the lease went to another. */
export interface JobStore {
  /**
   * queued -> running with a lease of `leaseMs`, if the job's supernet is among those given (any, unless told): a worker leaves alone what it
   * has no bundle for. Undefined: not there, not queued, taken by another, or of another supernet.
   */
  claim(id: string, workerId: string, leaseMs: number, supernetIds?: readonly string[]): Promise<Claim | undefined>;
  /** Renews the lease and notes progress. `lost`: another attempt holds the job, stop. */
  heartbeat(
    id: string,
    attempt: number,
    leaseMs: number,
    progress: JobProgress,
  ): Promise<{ readonly lost: boolean; readonly cancelRequested: boolean }>;
  /** Whether a cancel was asked for; cheap, so that it can be asked many times a second. False too where another attempt holds the job. */
  cancelRequested(id: string, attempt: number): Promise<boolean>;
  /**
   * running -> succeeded with the answer of an earlier row with the same answer key, where one has succeeded meanwhile and the request does
   * not want a fresh search. False: the job has to be done.
   */
  finishStored(id: string, attempt: number): Promise<boolean>;
  /**
   * running -> succeeded | failed with the outcome, artifact bytes included, in one transaction; -> canceled if a cancel was asked for.
   * False: the lease was lost, nothing was written.
   */
  finish(id: string, attempt: number, outcome: Outcome): Promise<boolean>;
  /** running -> canceled. False: the lease was lost. */
  finishCanceled(id: string, attempt: number): Promise<boolean>;
  /** running -> queued by the holder itself (a worker that shuts down, or whose engine ended). */
  release(id: string, attempt: number): Promise<boolean>;
  /**
   * running -> queued for every lost lease; after `maxAttempts` attempts -> failed with `problem`.
   * Returns the ids that wait in `queued` and should be enqueued again (also those whose enqueue was lost), of the supernets given
   * (of any, unless told).
   */
  sweep(maxAttempts: number, problem: Problem, supernetIds?: readonly string[]): Promise<readonly string[]>;
}

/** Delivered bytes by their sha256. */
export interface ArtifactStore {
  info(sha: string): Promise<ArtifactInfo | undefined>;
  /** Bytes `start`..`end` (inclusive) in chunks of at most 1 MiB. */
  read(sha: string, start: number, end: number): AsyncIterable<Uint8Array>;
}
