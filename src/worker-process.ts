import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pino } from 'pino';
import { BespokeError } from './common/errors.js';
import { invariant } from './common/invariant.js';
import type { Progress } from './common/work.js';
import type { Config } from './config.js';
import { makeEngineClient } from './engine-client.js';
import { makeBullQueue } from './queue/bull.js';
import { connectStore } from './store/connect.js';
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
  const engine = makeEngineClient(config);
  try {
    const { supernets } = await engine.load(onProgress);
    if (supernets.length === 0)
      throw new BespokeError(
        'bundle-invalid',
        `no supernet bundle could be loaded from ${config.modelDirs.join(', ')}`,
      );
    const store = await connectStore(databaseUrl, { poolSize: POOL_SIZE });
    const id = makeWorkerId();
    const worker = startWorker(
      { jobs: store.jobs, engine, workerId: id, leaseMs, maxAttempts, log },
      makeBullQueue(redisUrl),
    );
    return {
      id,
      close: async () => {
        await worker.close();
        engine.close();
        await store.close();
      },
    };
  } catch (error) {
    engine.close();
    throw error;
  }
}
