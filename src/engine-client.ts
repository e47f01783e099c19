import { fileURLToPath } from 'node:url';
import type { EstimateRequest, EstimateResult, HardwareInfo, SupernetInfo } from './api/ports.js';
import type { MemoryAccount } from './bundle-memory.js';
import { BespokeError, type Problem, toProblem } from './common/errors.js';
import type { Progress } from './common/work.js';
import type { Refused } from './model-dirs.js';
import { Child, ChildGoneError } from './runtime/child.js';
import type { Claim } from './specialize/ports.js';
import type { Probed } from './specialize/probe.js';
import { type Engine, EngineLostError } from './specialize/run-job.js';
import type { JobProgress, Outcome, SpecializationRequest } from './specialize/types.js';

/** Where the engine's process finds its bundles and keeps its latency profiles. */
export interface EngineOptions {
  readonly modelDirs: readonly string[];
  readonly dataDir: string;
  /** What bundles may take together in memory while nobody uses them. */
  readonly bundleMemoryBytes: number;
}

/** What the engine's process serves once it has loaded. */
export interface EngineCatalog {
  readonly supernets: readonly SupernetInfo[];
  readonly hardware: readonly HardwareInfo[];
  readonly refused: readonly Refused[];
  /** True: this process has measured the machine, and holds the memory that it took. */
  readonly hasProfiled: boolean;
  /** Latency profiles as JSON, for pure arithmetic in other processes. */
  readonly profiles: readonly unknown[];
}

/** The numeric work as seen from the API's process; it runs in one child. */
export interface EngineClient extends Engine {
  /** Loads the bundles and, at the first start on a machine, measures its latency profile (under 30 s). */
  load(onProgress: (progress: Progress) => void): Promise<EngineCatalog>;
  estimate(request: EstimateRequest, signal: AbortSignal): Promise<EstimateResult>;
  /** A short search for what accuracy a request's limits allow. */
  probe(request: SpecializationRequest, signal: AbortSignal): Promise<Probed>;
  /** Bundles in the process's memory now. */
  memory(): Promise<MemoryAccount>;
  /** Supernets that turned out to be broken when they were read whole, by id; one that loads again is left out. */
  broken(): ReadonlyMap<string, Problem>;
  close(): void;
}

/**
 * An engine that has had no work for so long after a job is replaced by a fresh process, ms: a job's sessions leave some 120 MB behind
 * that the process keeps, and a fresh one is ready again within a second.
 */
const RENEW_AFTER_MS = 10_000;

const withEngineLost = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ChildGoneError) throw new EngineLostError(error.message);
    throw error;
  }
};

/** Keeps in mind which bundles could not be read when they were used. */
function watchBundles(onBroken: (supernetId: string, problem: Problem) => void) {
  const broken = new Map<string, Problem>();
  /** Work with one supernet; whether its bundle could be read is kept in mind. */
  const using = async <T>(supernetId: string, work: Promise<T>): Promise<T> => {
    try {
      const result = await withEngineLost(work);
      broken.delete(supernetId);
      return result;
    } catch (error) {
      if (error instanceof BespokeError && error.code === 'bundle-invalid') {
        broken.set(supernetId, toProblem(error));
        onBroken(supernetId, toProblem(error));
      }
      throw error;
    }
  };
  return { broken, using };
}

/** Makes the client of an engine process; the process starts with the first call, and again with the first one after it ended. */
export function makeEngineClient(
  { modelDirs, dataDir, bundleMemoryBytes }: EngineOptions,
  onBroken: (supernetId: string, problem: Problem) => void = () => {},
  renewAfterMs = RENEW_AFTER_MS,
): EngineClient {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const modulePath = fileURLToPath(new URL(`./engine-child.${extension}`, import.meta.url));
  // These alone: every user of the machine can read a process's arguments, and a configuration holds passwords.
  const options: EngineOptions = { modelDirs, dataDir, bundleMemoryBytes };
  const make = (): Child => new Child(modulePath, [JSON.stringify(options)]);
  let child = make();
  /** A fresh process that makes itself ready to replace the other. */
  let next: Child | undefined;
  let renewal: NodeJS.Timeout | undefined;
  let isClosed = false;
  let lastUsed: string | undefined;
  const { broken, using } = watchBundles(onBroken);
  const renewLater = (): void => {
    clearTimeout(renewal);
    if (!isClosed) renewal = setTimeout(() => void renew(), renewAfterMs).unref();
  };
  /** Whoever asks while the fresh process gets ready is answered by the old one: nobody waits for the change. */
  const renew = async (): Promise<void> => {
    if (next !== undefined) return;
    const fresh = make();
    next = fresh;
    try {
      // The bundle that was used last is the likeliest to be asked for next.
      await (lastUsed === undefined ? fresh.call('load', undefined) : fresh.call('warm', lastUsed));
    } catch {
      fresh.kill(); // a failure shows at the next job, which loads again
      return;
    } finally {
      next = undefined;
    }
    if (isClosed || child.isBusy) {
      fresh.kill();
      renewLater();
      return;
    }
    child.kill();
    child = fresh;
  };
  return {
    load: async (onProgress) => {
      // The child's `load` emits Progress and nothing else.
      const onEvent = (event: unknown): void => onProgress(event as Progress);
      const catalog = await withEngineLost(child.call<EngineCatalog>('load', undefined, { onEvent }));
      if (!catalog.hasProfiled) return catalog;
      // Measuring makes hundreds of sessions, whose memory the process keeps; a new one loads the profile in a moment.
      child.kill();
      return withEngineLost(child.call<EngineCatalog>('load', undefined, { onEvent }));
    },
    estimate: (request, signal) =>
      using(request.supernetId, child.call<EstimateResult>('estimate', request, { signal })),
    probe: (request, signal) => using(request.supernetId, child.call<Probed>('probe', request, { signal })),
    memory: () => withEngineLost(child.call<MemoryAccount>('memory', undefined)),
    broken: () => broken,
    specialize: async (claim: Claim, { signal, onProgress }) => {
      clearTimeout(renewal);
      const { supernetId } = claim.request;
      lastUsed = supernetId;
      try {
        // The child's `specialize` emits JobProgress and nothing else.
        const onEvent = (event: unknown): void => onProgress(event as JobProgress);
        return await using(supernetId, child.call<Outcome>('specialize', claim, { signal, onEvent }));
      } finally {
        renewLater();
      }
    },
    silentMs: () => child.silentMs,
    restart: () => child.kill(),
    close: () => {
      isClosed = true;
      clearTimeout(renewal);
      next?.kill();
      child.kill();
    },
  };
}
