import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pino } from 'pino';
import { requireSupernet } from './catalog.js';
import { invariant } from './common/invariant.js';
import type { Progress } from './common/work.js';
import type { Config } from './config.js';
import { openDatabase, openQueue } from './connections.js';
import { makeEngineClient } from './engine-client.js';
import { startWorker } from './worker.js';

/** Connections of a worker: one for heartbeats, one for everything else. */
const POOL_SIZE = 3;

export interface WorkerProcess {
  readonly id: string;
  close(): Promise<void>;
}

/** The id that a worker's leases carry: which machine, process and start. */
export const makeWorkerId = (): string => `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;

/**
 * Starts a worker beside servers on other machines: jobs from Redis, rows in PostgreSQL, numeric work in a child of its own.
 * @throws BespokeError if no bundle loads, or database or queue are away
 */
export async function startWorkerProcess(
  config: Config,
  onProgress: (progress: Progress) => void,
): Promise<WorkerProcess> {
  const { databaseUrl, redisUrl, leaseMs, maxAttempts } = config;
  invariant(databaseUrl !== undefined && redisUrl !== undefined, () => 'a worker process needs a database and a Redis');
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: false }));
  const engine = makeEngineClient(config, (supernetId, problem) =>
    log.error({ supernetId, problem }, `bundle refused: ${problem.detail}`),
  );
  const closers: (() => Promise<void> | void)[] = [() => engine.close()];
  const close = async (): Promise<void> => {
    for (const next of closers.splice(0).reverse()) await next();
  };
  try {
    const store = await openDatabase(databaseUrl, POOL_SIZE);
    closers.push(() => store.close());
    const queue = await openQueue(redisUrl);
    closers.push(() => queue.close());
    const catalog = await engine.load(onProgress);
    requireSupernet(catalog, config.modelDirs);
    for (const { kind, dir, problem } of catalog.refused)
      log.error({ dir, problem }, `${kind} refused: ${problem.detail}`);
    const id = makeWorkerId();
    const supernetIds = catalog.supernets.map((supernet) => supernet.id);
    const deps = { jobs: store.jobs, engine, workerId: id, supernetIds, leaseMs, maxAttempts, log };
    const worker = startWorker(deps, queue);
    closers.push(() => worker.close());
    return { id, close };
  } catch (error) {
    await close();
    throw error;
  }
}
