import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findBinaries } from './embedded-binaries.js';
import { DATABASE_USER, openCluster } from './embedded-cluster.js';
import { type Launch, launchServer, type Server } from './embedded-server.js';
import { chooseUser } from './embedded-user.js';
import { retirePostmaster } from './postmaster.js';
import { toStorageError } from './storage-error.js';

/** A running PostgreSQL of this process's own. */
export interface EmbeddedPostgres {
  /** `postgresql://...` on the loopback interface, with its password. Stays the same while the server is restarted. */
  readonly url: string;
  /** Stops the server; sessions that are open are ended. */
  stop(): Promise<void>;
}

/** Waits between restarts of a server that died, ms; the last one repeats. */
const RESTART_DELAYS_MS = [50, 200, 1000, 5000] as const;

/**
 * Starts the PostgreSQL of a data folder (`<dataDir>/postgres`, made on first use), on the loopback interface and a free port.
 * A server that dies is started again; one that an ended process of ours left running is stopped first. It stops with this process,
 * however that ends. The caller holds the folder's lock (data-dir.ts). Writes nothing to this process's streams.
 * @param options.onLog hears the server's warnings and errors
 * @throws BespokeError `storage-failed` when the folder cannot be used: read-only, full, made by another major version
 */
export async function startEmbeddedPostgres(
  dataDir: string,
  { onLog = () => {} }: { readonly onLog?: (text: string) => void } = {},
): Promise<EmbeddedPostgres> {
  try {
    await mkdir(dataDir, { recursive: true });
    const root = await realpath(dataDir);
    const binaries = await findBinaries();
    const clusterDir = join(root, 'postgres');
    const runAs = await chooseUser([await realpath(binaries.root), root], root, clusterDir);
    const tools = { binaries, runAs };
    await retirePostmaster(clusterDir, root);
    const cluster = await openCluster(root, tools);
    const launch = { cluster, tools, onLog };
    const url = (port: number): string =>
      `postgresql://${DATABASE_USER}:${cluster.password}@127.0.0.1:${port}/postgres`;
    const server = await launchServer(launch);
    return { url: url(server.port), stop: supervise(launch, server) };
  } catch (error) {
    throw toStorageError(error, dataDir);
  }
}

/** Starts the server again whenever it ends. @returns what stops that and the server */
function supervise(launch: Launch, first: Server): () => Promise<void> {
  const ending = new AbortController();
  let server = first;
  const keepUp = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await server.exited;
      server = (await relaunch(launch, first.port, ending.signal)) ?? server;
    }
  };
  const keeping = keepUp();
  return async () => {
    ending.abort();
    await server.stop();
    await keeping;
    await server.stop(); // one that was being started when this was called
  };
}

/**
 * Starts the server again on its port, as often as it takes: whatever hinders it (a full disk, say),
 * requests get `database-unavailable` meanwhile. Undefined once `signal` is aborted.
 */
async function relaunch(launch: Launch, port: number, signal: AbortSignal): Promise<Server | undefined> {
  const { dir, dataDir } = launch.cluster;
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      await retirePostmaster(dir, dataDir);
      return await launchServer(launch, port);
    } catch (error) {
      launch.onLog(error instanceof Error ? error.message : String(error));
      const ms = RESTART_DELAYS_MS[Math.min(tries, RESTART_DELAYS_MS.length - 1)];
      await delay(ms, undefined, { signal, ref: false }).catch(() => {}); // told to stop: the loop ends
    }
  }
  return undefined;
}
