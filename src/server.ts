import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { makeApp } from './api/app.js';
import { makeServer } from './api/server.js';
import { makeCatalog, requireSupernet } from './catalog.js';
import { BespokeError } from './common/errors.js';
import type { Progress } from './common/work.js';
import type { Config } from './config.js';
import { openDatabase, openQueue } from './connections.js';
import { type EngineCatalog, type EngineClient, makeEngineClient } from './engine-client.js';
import { pages } from './pages.js';
import type { Store } from './store/connect.js';
import { lockDataDir } from './store/data-dir.js';
import { startEmbeddedPostgres } from './store/embedded.js';
import { VERSION } from './version.js';
import { startWorker } from './worker.js';
import { makeWorkerId } from './worker-process.js';

/** A server that answers; closing it hands the running job back to the queue. */
export interface RunningServer {
  readonly url: string;
  readonly catalog: EngineCatalog;
  close(): Promise<void>;
}

export interface StartOptions {
  /** What the start is doing, for people; `progress` while this machine is measured. */
  readonly onStep?: (step: string, progress?: Progress) => void;
  /** False: only the API, jobs are left to `bespoke worker` processes. */
  readonly isWorking?: boolean;
}

/** Connections of one server process: the API's queries are short, and embedded PostgreSQL pays memory for each. */
const POOL_SIZE = 4;
/**
 * Starts everything that `bespoke serve` is: database, queue, the numeric child, the API. What was opened is closed again if a later step fails.
 * @throws BespokeError with one sentence: data folder in use or unwritable, port taken, database or queue away, no bundle that loads
 */
export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const close of closers.splice(0).reverse()) {
      // What fails to close must not keep the rest open: the database above all.
      await Promise.resolve()
        .then(close)
        .catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    return await start(config, options, { closers, closeAll });
  } catch (error) {
    await closeAll().catch(() => {}); // the first failure is the one to report
    throw error;
  }
}

interface Closing {
  readonly closers: (() => Promise<void> | void)[];
  readonly closeAll: () => Promise<void>;
}

async function start(config: Config, options: StartOptions, { closers, closeAll }: Closing): Promise<RunningServer> {
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: false }));
  const lock = await lockDataDir(config.dataDir);
  closers.push(() => lock.release());

  const engine = makeEngineClient(config, (id, problem) =>
    log.error({ supernetId: id, problem }, `bundle refused: ${problem.detail}`),
  );
  closers.push(() => engine.close());
  const opening = openStore(config, closers);
  opening.catch(() => engine.close()); // it ends the start: nobody waits for a measurement
  // Both are waited for: what one of them opens after the other failed would not be closed.
  const [opened, loaded] = await Promise.allSettled([opening, loadEngine(engine, options)]);
  if (opened.status === 'rejected') throw opened.reason;
  if (loaded.status === 'rejected') throw loaded.reason;
  const store = opened.value;
  const catalog = loaded.value;
  requireSupernet(catalog, config.modelDirs);
  for (const { kind, dir, problem } of catalog.refused)
    log.error({ dir, problem }, `${kind} refused: ${problem.detail}`);

  const queue = await openQueue(config.redisUrl);
  let closeQueue = (): Promise<void> => queue.close();
  closers.push(() => closeQueue());
  const isReady = async (): Promise<boolean> => store.isReady();
  const app = makeApp({
    specializations: store.specializations,
    artifacts: store.artifacts,
    queue,
    catalog: makeCatalog(catalog, engine),
    settings: { version: VERSION, log, now: Date.now, isReady },
    pages,
  });
  const http = makeServer(app);
  closers.push(() => closeHttp(http));
  const url = await listen(http, config);
  if (options.isWorking ?? true) {
    const workerId = makeWorkerId();
    const { leaseMs, maxAttempts } = config;
    const supernetIds = catalog.supernets.map(({ id }) => id);
    const deps = { jobs: store.jobs, engine, workerId, supernetIds, leaseMs, maxAttempts, log };
    const worker = startWorker(deps, queue);
    closeQueue = () => worker.close();
  }
  await lock.setUrl(url);
  return { url, catalog, close: closeAll };
}

async function openStore(config: Config, closers: Closing['closers']): Promise<Store> {
  let url = config.databaseUrl;
  if (url === undefined) {
    const postgres = await startEmbeddedPostgres(config.dataDir);
    closers.push(() => postgres.stop());
    url = postgres.url;
  }
  const store = await openDatabase(url, POOL_SIZE);
  closers.push(() => store.close());
  // The folder's lock is ours and its database has just started: whoever held a lease is gone, nobody has to wait it out.
  if (config.databaseUrl === undefined) await store.endLeases();
  return store;
}

function loadEngine(engine: EngineClient, { onStep }: StartOptions): Promise<EngineCatalog> {
  onStep?.('loading supernets');
  return engine.load((progress) => onStep?.('measuring this machine, once', progress));
}

function listen(http: Server, { host, port }: Config): Promise<string> {
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      const detail =
        error.code === 'EADDRINUSE'
          ? `port ${port} on ${host} is in use; give another with --port or BESPOKE_PORT, 0 takes a free one`
          : `cannot listen on ${host}:${port} (${error.code ?? error.message})`;
      reject(new BespokeError('invalid-request', detail, {}, error));
    });
    http.listen(port, host, () => {
      const address = http.address() as AddressInfo; // a TCP server that listens has one
      const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
      resolve(`http://${name}:${address.port}`);
    });
  });
}

function closeHttp(http: Server): Promise<void> {
  return new Promise((resolve) => {
    http.close(() => resolve());
    http.closeAllConnections();
  });
}
