import { readdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode, runsIn } from '../files/process-identity.js';
import { storageFailed } from './storage-error.js';

/** What a running server tells in its data folder (PostgreSQL source, miscadmin.h: LOCK_FILE_LINE_*). */
export interface Postmaster {
  readonly pid: number;
  /** 0 until it is known. */
  readonly port: number;
  /** True once it takes connections. */
  readonly isReady: boolean;
}

/** Lines of postmaster.pid, from 0. */
const PID_LINE = 0;
const PORT_LINE = 3;
const STATUS_LINE = 7;

/** How often a condition outside this process is looked at, ms. */
const POLL_MS = 10;

/** How long each way of stopping gets, ms: INT ends the sessions and writes a checkpoint, QUIT leaves that to the next start. */
const STOP_SIGNALS = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 5_000],
  ['SIGKILL', 5_000],
] as const;

/** Reads postmaster.pid; undefined when there is none, or none that makes sense. */
export async function readPostmaster(clusterDir: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(clusterDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Math.abs(Number(lines[PID_LINE])); // negative: a standalone backend
  if (!Number.isInteger(pid) || pid < 2) return undefined; // 1 is never a server of ours
  return { pid, port: Number(lines[PORT_LINE] ?? 0), isReady: lines[STATUS_LINE]?.trim() === 'ready' };
}

/** Waits until `condition` holds, looking every {@link POLL_MS}. @returns false when it did not within `ms` */
export async function eventually(condition: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await delay(POLL_MS);
  }
  return true;
}

/**
 * Clears what an earlier server left in its data folder: a server that outlived the process that started it is stopped,
 * the processes of a killed one are waited for, a postmaster.pid whose pid now is another program's is removed.
 * @param clusterDir a real path; the caller holds the data folder's lock, so no living process of ours uses that server
 * @throws BespokeError `storage-failed` when it does not stop
 */
export async function retirePostmaster(clusterDir: string, dataDir: string): Promise<void> {
  const left = await readPostmaster(clusterDir);
  if (left === undefined) return;
  const { pid } = left;
  for (const [signal, ms] of STOP_SIGNALS) {
    if (!runsIn(pid, clusterDir)) break;
    send(pid, signal);
    await eventually(() => !runsIn(pid, clusterDir), ms);
  }
  // Sessions of a killed server end by themselves as soon as they notice; a new one must not start before.
  const isQuiet = await eventually(() => processesIn(clusterDir).length === 0, STOP_SIGNALS[0][1]);
  if (!isQuiet || runsIn(pid, clusterDir))
    throw storageFailed(dataDir, `the PostgreSQL server with pid ${pid} is still running there and does not stop`);
  await rm(join(clusterDir, 'postmaster.pid'), { force: true });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isCode(error, 'ESRCH')) throw error; // gone by itself
  }
}

/** Every process of the server in this folder, where the platform lists processes as folders; else none. */
function processesIn(clusterDir: string): readonly number[] {
  let names: readonly string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  return names.map(Number).filter((pid) => Number.isInteger(pid) && runsIn(pid, clusterDir));
}
