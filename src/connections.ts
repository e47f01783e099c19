import { BespokeError } from './common/errors.js';
import { makeBullQueue } from './queue/bull.js';
import { makeInProcessQueue } from './queue/in-process.js';
import type { Queue } from './queue/queue.js';
import { connectStore, type Store } from './store/connect.js';
import { migrate } from './store/migrate.js';

/** Looks at a Redis before it counts as away; each waits up to 2 s. */
const REDIS_TRIES = 3;

/** `host:port` of a URL, without user and password. */
const placeOf = (url: string): string => new URL(url).host || 'the local socket';

/** What a driver said of a failure; refused connections to several addresses have a code and no words. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error ? String(error.code) : error.name);
}

/**
 * Opens an external database and brings it to this version's schema.
 * @throws BespokeError `database-unavailable` naming DATABASE_URL and what the database or the network said; those of `migrate`
 */
export async function openDatabase(url: string, poolSize: number): Promise<Store> {
  try {
    await migrate(url);
  } catch (error) {
    if (!(error instanceof BespokeError) || error.code !== 'database-unavailable') throw error;
    const said = error.cause === undefined ? 'no answer' : wordsOf(error.cause);
    throw new BespokeError(
      'database-unavailable',
      `DATABASE_URL: the database at ${placeOf(url)} cannot be used: ${said}.`,
      error.extras,
      error,
    );
  }
  return connectStore(url, { poolSize });
}

/**
 * Opens the queue: on Redis where a URL is given, else in this process.
 * @throws BespokeError `queue-unavailable` naming REDIS_URL when nothing answers there
 */
export async function openQueue(redisUrl: string | undefined): Promise<Queue> {
  if (redisUrl === undefined) return makeInProcessQueue();
  const queue = makeBullQueue(redisUrl);
  for (let tries = 0; tries < REDIS_TRIES; tries++) if (await queue.isReady()) return queue;
  await queue.close();
  throw new BespokeError('queue-unavailable', `REDIS_URL: no Redis that can be used answers at ${placeOf(redisUrl)}.`);
}
