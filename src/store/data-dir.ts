import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { isCode, processStart } from './process-identity.js';
import { toStorageError } from './storage-error.js';

/** The lock file's name within the data folder. */
const LOCK_FILE = 'bespoke.lock';

/** Tries to take a lock that others take and free at the same moment. */
const MAX_TRIES = 20;

/** Who holds a data folder. */
interface Holder {
  readonly pid: number;
  /** When that process started: another process with its pid is not the holder. */
  readonly start: string;
  /** Where its server answers, once it does. */
  readonly url?: string;
  /** Tells two locks of one process apart. */
  readonly nonce: string;
}

/** An exclusive hold on a data folder. */
export interface DataDirLock {
  /** Writes where this process's server answers, for command lines started beside it. */
  setUrl(url: string): Promise<void>;
  /** Frees the folder. */
  release(): Promise<void>;
}

/**
 * Takes a data folder for this process, made if it is not there. The lock of a process that is gone is taken over.
 * @param options.url where this process's server answers, if it does already
 * @throws BespokeError `conflict` naming the holder's pid and URL; `storage-failed` when the folder cannot be written
 */
export async function lockDataDir(dir: string, { url }: { readonly url?: string } = {}): Promise<DataDirLock> {
  const mine: Holder = {
    pid: process.pid,
    start: processStart(process.pid) ?? 'unknown',
    nonce: randomUUID(),
    ...(url !== undefined && { url }),
  };
  try {
    await mkdir(dir, { recursive: true });
    await take(dir, mine);
  } catch (error) {
    throw toStorageError(error, dir);
  }
  return {
    setUrl: (serverUrl) => replace(dir, { ...mine, url: serverUrl }),
    release: async () => {
      if ((await readHolder(dir))?.nonce === mine.nonce) await rm(join(dir, LOCK_FILE), { force: true });
    },
  };
}

/**
 * Where the server that holds this data folder answers.
 * @returns undefined when no living process holds it, or it does not answer yet
 */
export async function readServerUrl(dir: string): Promise<string | undefined> {
  const holder = await readHolder(dir);
  return holder !== undefined && isAlive(holder) ? holder.url : undefined;
}

async function take(dir: string, mine: Holder): Promise<void> {
  const path = join(dir, LOCK_FILE);
  const draft = join(dir, `${LOCK_FILE}.${mine.nonce}`);
  await writeFile(draft, JSON.stringify(mine), { flag: 'wx' });
  try {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (await linked(draft, path)) return;
      const holder = await readHolder(dir);
      if (holder !== undefined && isAlive(holder)) throw taken(dir, holder);
      await discard(dir, draft);
    }
    throw new BespokeError('conflict', `The data folder ${dir} is being taken by several processes at this moment.`);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Linking a written file is atomic: whoever sees the lock sees its content, and only one link succeeds. */
async function linked(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Removes a lock that nobody living holds. One process at a time looks and removes, under a guard: without it a second one could remove the
 * lock that the first has just taken.
 */
async function discard(dir: string, draft: string): Promise<void> {
  const guard = join(dir, `${LOCK_FILE}.takeover`);
  if (!(await linked(draft, guard))) {
    const other = await readHolder(dir, guard);
    // Killed in the middle; one that is not there any more is none to remove, another may have come meanwhile.
    if (other !== undefined && !isAlive(other)) await rm(guard, { force: true });
    return;
  }
  try {
    const path = join(dir, LOCK_FILE);
    // What is there stays there while the guard is held: a lock is only made where there is none.
    const isThere = (await readdir(dir)).includes(LOCK_FILE);
    const holder = await readHolder(dir);
    if (isThere && (holder === undefined || !isAlive(holder))) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function replace(dir: string, holder: Holder): Promise<void> {
  const draft = join(dir, `${LOCK_FILE}.${holder.nonce}`);
  try {
    await writeFile(draft, JSON.stringify(holder));
    await rename(draft, join(dir, LOCK_FILE));
  } catch (error) {
    throw toStorageError(error, dir);
  }
}

async function readHolder(dir: string, path = join(dir, LOCK_FILE)): Promise<Holder | undefined> {
  try {
    return parseHolder(await readFile(path, 'utf8'));
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
    throw toStorageError(error, dir);
  }
}

/** Undefined for anything that this file did not write: such a lock is nobody's. */
function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, start, nonce, url } = JSON.parse(text) as Partial<Record<string, unknown>>; // each field is checked below
    if (typeof pid !== 'number' || typeof start !== 'string' || typeof nonce !== 'string') return undefined;
    return { pid, start, nonce, ...(typeof url === 'string' && { url }) };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, start }: Holder): boolean {
  return Number.isInteger(pid) && pid > 0 && processStart(pid) === start;
}

function taken(dir: string, { pid, url }: Holder): BespokeError {
  const where = url === undefined ? 'is starting there' : `serves at ${url}`;
  return new BespokeError(
    'conflict',
    `The data folder ${dir} is in use: the process ${pid} ${where}; use that server, stop it, or name another folder with --data-dir.`,
  );
}
