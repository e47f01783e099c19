import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { platform } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { invariant } from '../common/invariant.js';
import { type Cluster, PROGRAM_ENV, type Tools } from './embedded-cluster.js';
import { eventually, readPostmaster, retirePostmaster } from './postmaster.js';
import { programFailed, storageFailed } from './storage-error.js';

/**
 * Settings for one machine's history of jobs: little memory, few processes. The files stay safe (fsync is on).
 * 20 sessions: the API's pool, the worker's, and room for a look from outside.
 */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '20',
  shared_buffers: '16MB',
  work_mem: '2MB',
  maintenance_work_mem: '16MB',
  autovacuum_max_workers: '1',
  max_worker_processes: '1',
  max_parallel_workers: '0',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  io_method: 'sync',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '128MB',
  min_wal_size: '16MB',
  huge_pages: 'off',
  jit: 'off',
  logging_collector: 'off',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
  // After a crash: one call for the file system instead of one for each of 1000 files. Linux alone has it.
  ...(platform === 'linux' && { recovery_init_sync_method: 'syncfs' }),
} as const;

/** Tries with another port, or until the last of a killed server's processes is gone. */
const MAX_START_TRIES = 10;
const START_RETRY_MS = 200;

/** How long a start may take, ms: after a crash the log is replayed first. */
const START_TIMEOUT_MS = 60_000;

/** How long a stop may take before it is forced, ms. */
const STOP_TIMEOUT_MS = 10_000;

/** How long the last words of a server that has ended are waited for, ms: a child of it may hold its stream. */
const STREAM_GRACE_MS = 200;

/** What is kept of the server's words, characters. */
const KEPT_OUTPUT = 16_384;

/** What a start says that can succeed a little later. */
const TRANSIENT =
  /Address already in use|could not create any TCP\/IP sockets|shared memory block .* still in use|lock file "postmaster.pid" already exists/;

/**
 * Runs the server and stops it when this process is gone, however that ended: then standard input closes.
 * A session of its own (`detached`) keeps a terminal's Ctrl-C from it.
 */
const WATCHED = `exec 3<&0 </dev/null
"$@" 3<&- & server=$!
(read -r _ <&3; kill -INT "$server") 2>/dev/null & watcher=$!
exec 3<&-
wait "$server"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"`;

/** One running server process. */
export interface Server {
  readonly port: number;
  /** Settles when it has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Ends its sessions and stops it; nothing when it has ended already. */
  stop(): Promise<void>;
}

/** Where a server runs and who hears its words. */
export interface Launch {
  readonly cluster: Cluster;
  readonly tools: Tools;
  readonly onLog: (text: string) => void;
}

/**
 * Starts a server in a folder that no other one uses, and waits until it takes connections.
 * @param fixedPort the port to use; a free one unless given
 * @throws BespokeError `storage-failed` with what the server said
 */
export async function launchServer(launch: Launch, fixedPort?: number): Promise<Server> {
  const { dataDir, dir } = launch.cluster;
  for (let tries = 1; ; tries++) {
    const { server, output, hasEnded } = spawnServer(launch, fixedPort ?? (await freePort()));
    const isReady = async (): Promise<boolean> => (await readPostmaster(dir))?.isReady === true;
    const inTime = await eventually(async () => hasEnded() || (await isReady()), START_TIMEOUT_MS);
    if (inTime && !hasEnded()) return server;
    await server.stop();
    if (!inTime) throw storageFailed(dataDir, `its database did not start within ${START_TIMEOUT_MS / 1000} s`);
    if (tries === MAX_START_TRIES || !TRANSIENT.test(output())) throw programFailed(dataDir, 'postgres', output());
    await delay(START_RETRY_MS);
  }
}

interface Spawned {
  readonly server: Server;
  readonly output: () => string;
  readonly hasEnded: () => boolean;
}

function spawnServer({ cluster, tools, onLog }: Launch, port: number): Spawned {
  const child = spawnWatched(cluster, tools, port);
  let output = '';
  let hasEnded = false;
  child.stderr.on('data', (chunk: Buffer) => {
    const text = chunk.toString('utf8');
    output = (output + text).slice(-KEPT_OUTPUT);
    onLog(text);
  });
  // `close` comes after the last word was read; `error` alone when there was no process at all.
  const exited = Promise.race([once(child, 'close'), once(child, 'exit').then(() => delay(STREAM_GRACE_MS))]).then(
    () => {
      hasEnded = true;
    },
    (error: Error) => {
      output += error.message;
      hasEnded = true;
    },
  );
  const stop = async (): Promise<void> => {
    child.ref();
    child.stdin.end(); // the watcher sees it and stops the server
    const inTime = await Promise.race([exited.then(() => true), delay(STOP_TIMEOUT_MS, false, { ref: false })]);
    if (!inTime) await retirePostmaster(cluster.dir, cluster.dataDir);
  };
  return { server: { port, exited, stop }, output: () => output, hasEnded: () => hasEnded };
}

function spawnWatched({ dir }: Cluster, { binaries, runAs }: Tools, port: number) {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [program, args] = runAs.command(binaries.postgres, ['-D', dir, '-p', String(port), ...settings]);
  const isWindows = platform === 'win32';
  const child = spawn(
    isWindows ? program : '/bin/sh',
    isWindows ? [...args] : ['-c', WATCHED, 'sh', program, ...args],
    { ...runAs.identity, env: PROGRAM_ENV, cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'pipe'] },
  );
  child.stdin.on('error', () => {}); // the watcher is gone already
  // The server does not keep this process alive: when it ends, the server is stopped with it.
  child.unref();
  for (const stream of [child.stdin, child.stderr]) if (stream instanceof Socket) stream.unref();
  return child;
}

/** A port of the loopback interface that is free now; another program can take it before the server does. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  invariant(typeof address === 'object' && address !== null, () => 'a TCP server has an address with a port');
  return address.port;
}
