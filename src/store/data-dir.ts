import { BespokeError } from '../common/errors.js';
import { type FolderLock, folderHolder, type LockHolder, lockFolder } from '../files/folder-lock.js';
import { toStorageError } from './storage-error.js';

/** The lock file's name within the data folder. */
const LOCK_FILE = 'bespoke.lock';

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
export async function lockDataDir(dir: string, options: { readonly url?: string } = {}): Promise<DataDirLock> {
  const { lock, holder } = await explained(dir, () => lockFolder(dir, LOCK_FILE, options));
  if (holder !== undefined) throw taken(dir, holder);
  return explainedLock(dir, lock);
}

/**
 * Where the server that holds this data folder answers.
 * @returns undefined when no living process holds it, or it does not answer yet
 */
export async function readServerUrl(dir: string): Promise<string | undefined> {
  return (await explained(dir, () => folderHolder(dir, LOCK_FILE)))?.url;
}

function explainedLock(dir: string, lock: FolderLock): DataDirLock {
  return {
    setUrl: (url) => explained(dir, () => lock.setUrl(url)),
    release: () => explained(dir, () => lock.release()),
  };
}

/** Runs work on the folder; what the file system refuses is said in a sentence. */
async function explained<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStorageError(error, dir);
  }
}

function taken(dir: string, { pid, url }: LockHolder): BespokeError {
  const where = url === undefined ? 'is starting there' : `serves at ${url}`;
  return new BespokeError(
    'conflict',
    `The data folder ${dir} is in use: the process ${pid} ${where}; use that server, stop it, or name another folder with --data-dir.`,
  );
}
