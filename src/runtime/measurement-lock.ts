import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BespokeError } from '../common/errors.js';

/** Where this user's lock of this machine lies: one folder, whatever data folders are in use. */
export const machineLockDir = (): string => join(tmpdir(), `bespoke-${userInfo().uid}`);

/** How often a waiter looks again. Measurements take a tenth of a second to half a minute. */
const POLL_MS = 50;

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** True if a process of this machine has that id (one that we may not signal lives too). */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Takes the lock if nobody holds it: a link either makes the name, whole content included, or fails. */
async function tryTake(path: string, token: string): Promise<boolean> {
  const own = `${path}.${token}`;
  await writeFile(own, `${process.pid} ${token}`);
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/** Tokens of the locks that this process holds. */
const held = new Set<string>();

/** A lock that names this very process and is not its own was left by an ended one with the same pid, as in a container that was started again. */
function isStale(lock: string): boolean {
  const [pid = '', token = ''] = lock.split(' ');
  return Number(pid) === process.pid ? !held.has(token) : !isAlive(Number.parseInt(pid, 10));
}

/**
 * Removes a lock whose holder is gone. The rename takes it away from other waiters at once; should it have changed hands
 * since it was read, it is put back.
 */
async function removeStale(path: string, token: string): Promise<void> {
  const found = await read(path);
  if (found === undefined || !isStale(found)) return;
  const aside = `${path}.${token}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  if ((await read(aside)) !== found) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

/** Waits of this process for each lock, in order: its own waiters need no file. */
const queues = new Map<string, Promise<unknown>>();

async function withFile<T>(dir: string, work: () => Promise<T>, options: LockOptions): Promise<T> {
  const path = join(dir, 'measurement.lock');
  const token = randomUUID();
  held.add(token);
  try {
    await mkdir(dir, { recursive: true });
    const giveUpAt = performance.now() + (options.maxWaitMs ?? 120_000);
    while (!(await tryTake(path, token))) {
      options.signal?.throwIfAborted();
      if (performance.now() > giveUpAt) {
        const detail = `another process has been measuring for too long; if none is, remove "${path}"`;
        throw new BespokeError('internal', detail);
      }
      await removeStale(path, token);
      await delay(POLL_MS);
    }
  } catch (cause) {
    held.delete(token);
    if (cause instanceof BespokeError || !hasCode(cause, 'EACCES')) throw cause;
    throw new BespokeError('storage-failed', `the measurement lock in "${dir}" cannot be written`, {}, cause);
  }
  try {
    return await work();
  } finally {
    held.delete(token);
    if ((await read(path))?.endsWith(token)) await rm(path, { force: true });
  }
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Two minutes unless told. */
  readonly maxWaitMs?: number;
}

/**
 * Runs `work` while no other holder of the same folder's lock runs: one measurement at a time per machine.
 * A lock whose process is gone is taken over.
 * @param dir a folder that all measuring processes of this machine share; made if absent
 * @throws BespokeError `storage-failed` if the folder cannot be written; the signal's reason if aborted while waiting
 */
export async function withMeasurementLock<T>(
  dir: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const before = queues.get(dir) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(() => withFile(dir, work, options));
  const settled = mine.catch(() => undefined);
  queues.set(dir, settled);
  try {
    return await mine;
  } finally {
    if (queues.get(dir) === settled) queues.delete(dir);
  }
}
