import Bull from 'bull';
import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import type { Queue, QueueMessage } from './queue.js';

/** How long a call waits for Redis, ms; then it throws `queue-unavailable`. */
const ANSWER_TIMEOUT_MS = 2000;

/** When a client should try again, seconds. */
const RETRY_AFTER_SECONDS = 5;

/** How long closing waits for a Redis that may be away, once the handlers have ended, ms. */
const CLOSE_TIMEOUT_MS = 2000;

/**
 * Locks of messages, chosen on purpose: the handler waits for a child process, so the event loop is free to renew them.
 * A lock of 30 s, renewed three times in that time, is lost only with its worker. Its message then comes back, once;
 * if that is not enough, the sweeper finds the row's lost lease.
 */
const LOCKS = {
  lockDuration: 30_000,
  lockRenewTime: 10_000,
  stalledInterval: 30_000,
  maxStalledCount: 1,
} as const;

/** How soon the search for messages goes on after the connection broke, ms. */
const RESUME_MS = 500;

/** How soon a broken connection is tried again, ms: longer with every try, up to the second value. */
const RECONNECT_STEP_MS = 100;
const RECONNECT_MAX_MS = 1000;

/** Bull's priorities are 1 (first) to 2^21, and 0 means none; ours are around 0, lower first. */
const PRIORITY_CENTER = 2 ** 20;

/** Ends the id of a message that was added while one with its id was being handled. */
const FOLLOW_UP = '+';

type MessageData = Pick<QueueMessage, 'kind' | 'id'>;

/**
 * The queue on Redis, for any number of processes. Messages carry an id and nothing else. Redis may be away when this is called
 * and at any time later: calls then throw `queue-unavailable` within 2 s, and work again when it is back.
 * @param redisUrl `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS
 * @param options.name Bull's name of the queue; all its processes use the same
 * @throws BespokeError `invalid-request` for anything else
 */
export function makeBullQueue(redisUrl: string, { name = 'bespoke' }: { readonly name?: string } = {}): Queue {
  return new BullQueue(
    new Bull<MessageData>(name, {
      redis: redisOptions(redisUrl),
      settings: { ...LOCKS, retryProcessDelay: RESUME_MS },
      // Nothing stays behind: a finished message's id can be added again.
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
    }),
  );
}

class BullQueue implements Queue {
  readonly #bull: Bull.Queue<MessageData>;
  readonly #running = new Set<Promise<void>>();
  #isWorking = false;
  #closing: Promise<void> | undefined;

  constructor(bull: Bull.Queue<MessageData>) {
    this.#bull = bull;
    bull.on('error', () => {}); // a lost connection: every call says so itself
  }

  async enqueue({ kind, id, priority = 0, notBefore = 0 }: QueueMessage): Promise<void> {
    await this.#bounded(async () => {
      const known = await this.#bull.getJob(id);
      // A message that is being handled would swallow this one, which its handler may not know of.
      const jobId = (await known?.isActive()) ? id + FOLLOW_UP : id;
      const options = { jobId, priority: bullPriority(priority), delay: Math.max(notBefore - Date.now(), 0) };
      await this.#bull.add({ kind, id }, options);
    });
  }

  work(handler: (message: QueueMessage) => Promise<void>, concurrency = 1): void {
    invariant(!this.#isWorking, () => 'work() is called once');
    this.#isWorking = true;
    const handle = ({ data }: Bull.Job<MessageData>): Promise<void> => {
      const run = handler(data).finally(() => this.#running.delete(run));
      this.#running.add(run);
      return run;
    };
    void this.#bull.process(concurrency, handle).catch(() => {}); // ends with the connection; `error` has told
  }

  depth(): Promise<number> {
    return this.#bounded(() => this.#bull.count());
  }

  async cancel(id: string): Promise<void> {
    await this.#bounded(async () => {
      for (const jobId of [id, id + FOLLOW_UP]) {
        const job = await this.#bull.getJob(jobId);
        // One that is being handled is locked and stays.
        if (job && !(await job.isActive())) await job.remove().catch(() => {});
      }
    });
  }

  async isReady(): Promise<boolean> {
    try {
      return (await this.#bounded(() => this.#bull.client.ping())) === 'PONG';
    } catch {
      return false;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    // To interrupt the connection that waits for messages, Bull cuts it and connects again; with Redis away
    // that fails in a promise that nobody looks at yet, which would end this process.
    for (const client of this.#bull.clients) {
      const connect = client.connect.bind(client);
      client.connect = () => connect().catch(() => {});
    }
    const closed = this.#bull.close(); // stops handing out at once
    closed.catch(() => {});
    await Promise.allSettled(this.#running);
    if (await settlesWithin(closed, CLOSE_TIMEOUT_MS)) return;
    for (const client of this.#bull.clients) client.disconnect();
  }

  async #bounded<T>(work: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)), ANSWER_TIMEOUT_MS);
    });
    try {
      return await Promise.race([work(), tooLate]);
    } catch (error) {
      throw new BespokeError(
        'queue-unavailable',
        'The queue on Redis does not answer; the request can be repeated as it is.',
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
        error,
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([settled, tooLate]);
  clearTimeout(timer);
  return result;
}

function bullPriority(priority: number): number {
  return Math.min(Math.max(PRIORITY_CENTER + Math.round(priority), 1), 2 * PRIORITY_CENTER);
}

function redisOptions(redisUrl: string): NonNullable<Bull.QueueOptions['redis']> {
  const url = URL.canParse(redisUrl) ? new URL(redisUrl) : undefined;
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || !/^\/?\d*$/.test(url.pathname))
    throw new BespokeError(
      'invalid-request',
      'REDIS_URL must look like redis://user:password@host:6379/0, or rediss:// for TLS.', // no echo: it may hold a password
    );
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
    connectTimeout: ANSWER_TIMEOUT_MS,
    maxRetriesPerRequest: 1, // of the connection that adds messages; Bull lifts it for the one that waits for them
    retryStrategy: (times: number) => Math.min(times * RECONNECT_STEP_MS, RECONNECT_MAX_MS),
  };
}
