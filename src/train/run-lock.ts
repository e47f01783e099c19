import { BespokeError } from '../common/errors.js';
import { fileFailed } from '../files/file-problem.js';
import { type LockOutcome, lockFolder } from '../files/folder-lock.js';

/** Name of the lock in a run's folder. */
export const LOCK_FILE = 'run.lock';

/**
 * Runs work while no other process trains into the same folder. The lock of a process that was killed is taken over.
 * @throws BespokeError `conflict` at once, naming the process that trains there; `storage-failed` if the folder cannot be written
 */
export async function withRunLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const { lock, holder } = await take(dir);
  if (holder !== undefined) {
    throw new BespokeError(
      'conflict',
      `${dir} is in use: the process ${holder.pid} trains there; wait until it ends, stop it, or choose another folder`,
    );
  }
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
