import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { isCode, processStart } from './process-identity.js';

/** Tries to take a lock that others take and free at the same moment. */
const MAX_TRIES = 20;

/** Who holds a folder. */
export interface LockHolder {
  readonly pid: number;
  /** When that process started: another process with its pid is not the holder. */
  readonly start: string;
  /** Where its server answers, if it has one. */
  readonly url?: string;
  /** Tells two locks of one process apart. */
  readonly nonce: string;
}

/** An exclusive hold on a folder. */
export interface FolderLock {
  /** Writes where this process's server answers, for those who find the folder taken. */
  setUrl(url: string): Promise<void>;
  /** Frees the folder. */
  release(): Promise<void>;
}

/** A folder that was taken, or the living process that holds it. */
export type LockOutcome =
  | { readonly lock: FolderLock; readonly holder?: undefined }
  | { readonly lock?: undefined; readonly holder: LockHolder };

/**
 * Takes a folder for this process, made if it is not there. The lock of a process that is gone is taken over.
 * @param name the lock file's name within the folder
 * @param options.url where this process's server answers, if it does already
 * @throws errors of the file system; BespokeError `conflict` if several processes take it at this moment
 */
export async function lockFolder(
  dir: string,
  name: string,
  { url }: { readonly url?: string } = {},
): Promise<LockOutcome> {
  const mine: LockHolder = {
    pid: process.pid,
    start: processStart(process.pid) ?? 'unknown',
    nonce: randomUUID(),
    ...(url !== undefined && { url }),
  };
  await mkdir(dir, { recursive: true });
  const holder = await take(dir, name, mine);
  if (holder !== undefined) return { holder };
  const lock: FolderLock = {
    setUrl: (serverUrl) => replace(dir, name, { ...mine, url: serverUrl }),
    release: async () => {
      if ((await readHolder(join(dir, name)))?.nonce === mine.nonce) await rm(join(dir, name), { force: true });
    },
  };
  return { lock };
}

/**
 * The living process that holds a folder.
 * @returns undefined when nobody does
 * @throws errors of the file system, but not for a folder that is not there
 */
export async function folderHolder(dir: string, name: string): Promise<LockHolder | undefined> {
  const holder = await readHolder(join(dir, name));
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** Makes the lock; returns the living holder that was there before. */
async function take(dir: string, name: string, mine: LockHolder): Promise<LockHolder | undefined> {
  const path = join(dir, name);
  const draft = `${path}.${mine.nonce}`;
  try {
    await writeFile(draft, JSON.stringify(mine), { flag: 'wx' });
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      if (await linked(draft, path)) return undefined;
      const holder = await readHolder(path);
      if (holder !== undefined && isAlive(holder)) return holder;
      await discard(dir, name, draft);
    }
    throw new BespokeError('conflict', `The folder ${dir} is being taken by several processes at this moment.`);
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
async function discard(dir: string, name: string, draft: string): Promise<void> {
  const path = join(dir, name);
  const guard = `${path}.takeover`;
  if (!(await linked(draft, guard))) {
    const other = await readHolder(guard);
    // Killed in the middle; one that is not there any more is none to remove, another may have come meanwhile.
    if (other !== undefined && !isAlive(other)) await rm(guard, { force: true });
    return;
  }
  try {
    // What is there stays there while the guard is held: a lock is only made where there is none.
    const isThere = (await readdir(dir)).includes(name);
    const holder = await readHolder(path);
    if (isThere && (holder === undefined || !isAlive(holder))) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function replace(dir: string, name: string, holder: LockHolder): Promise<void> {
  const draft = join(dir, `${name}.${holder.nonce}`);
  await writeFile(draft, JSON.stringify(holder));
  await rename(draft, join(dir, name));
}

async function readHolder(path: string): Promise<LockHolder | undefined> {
  try {
    return parseHolder(await readFile(path, 'utf8'));
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Undefined for anything that this file did not write: such a lock is nobody's. */
function parseHolder(text: string): LockHolder | undefined {
  try {
    const { pid, start, nonce, url } = JSON.parse(text) as Partial<Record<string, unknown>>; // each field is checked below
    if (typeof pid !== 'number' || typeof start !== 'string' || typeof nonce !== 'string') return undefined;
    return { pid, start, nonce, ...(typeof url === 'string' && { url }) };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, start }: LockHolder): boolean {
  return Number.isInteger(pid) && pid > 0 && processStart(pid) === start;
}
