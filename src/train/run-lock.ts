import { BespokeError } from '../common/errors.js';
import { fileFailed } from '../files/file-problem.js';
import { folderHolder, type LockHolder, type LockOutcome, lockFolder } from '../files/folder-lock.js';

/** Name of the lock in a run's folder. */
export const LOCK_FILE = 'run.lock';

function taken(dir: string, { pid }: LockHolder): BespokeError {
  return new BespokeError(
    'conflict',
    `${dir} is in use: the process ${pid} trains there; wait until it ends, stop it, or choose another folder`,
  );
}

/**
 * Refuses a folder in which a process trains, before what takes long, such as reading the images; {@link withRunLock} has the last word.
 * @throws BespokeError `conflict`, naming the process
 */
export async function assertNotTraining(dir: string): Promise<void> {
  const holder = await folderHolder(dir, LOCK_FILE);
  if (holder !== undefined) throw taken(dir, holder);
}

/**
 * Runs work while no other process trains into the same folder. The lock of a process that was killed is taken over.
 * @throws BespokeError `conflict` at once, naming the process that trains there; `storage-failed` if the folder cannot be written
 */
export async function withRunLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const { lock, holder } = await take(dir);
  if (holder !== undefined) throw taken(dir, holder);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

async function take(dir: string): Promise<LockOutcome> {
  try {
    return await lockFolder(dir, LOCK_FILE);
  } catch (error) {
    throw fileFailed(`the run's folder ${dir} cannot be written`, error);
  }
}
