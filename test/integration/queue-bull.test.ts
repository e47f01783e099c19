import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeBullQueue } from '../../src/queue/bull.js';
import type { Queue, QueueMessage } from '../../src/queue/queue.js';

const HAS_REDIS = spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
/** Waiting for something that another process does. */
const SOON = { timeout: 15_000, interval: 20 };

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A Redis that keeps nothing, taking connections. */
async function startRedis(port: number): Promise<ChildProcess> {
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  for await (const chunk of child.stdout) if (String(chunk).includes('Ready to accept connections')) break;
  return child;
}

async function stopRedis(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

const message = (id: string, rest: Partial<QueueMessage> = {}): QueueMessage => ({ kind: 'specialize', id, ...rest });

describe.skipIf(!HAS_REDIS)('queue on Redis (needs redis-server on the PATH)', () => {
  let port: number;
  let redis: ChildProcess;
  const queues: Queue[] = [];
  let name: string;

  beforeAll(async () => {
    port = await freePort();
    redis = await startRedis(port);
  });
  afterAll(() => stopRedis(redis));
  afterEach(async () => {
    await Promise.all(queues.splice(0).map((queue) => queue.close()));
  });

  /** A queue of this test alone, or another process's view of it. */
  function connect(isNew = true): Queue {
    if (isNew) name = `test-${randomUUID()}`;
    const queue = makeBullQueue(`redis://127.0.0.1:${port}`, { name });
    queues.push(queue);
    return queue;
  }

  it('hands a message of one process to another, with kind and id alone', async () => {
    const sender = connect();
    const worker = connect(false);
    const seen: QueueMessage[] = [];
    worker.work(async (got) => void seen.push(got));
    await sender.enqueue(message('a', { priority: 3 }));
    await vi.waitFor(() => expect(seen).toEqual([{ kind: 'specialize', id: 'a' }]), SOON);
  });

  it('hands out the lowest priority first, and equal ones in the order they came', async () => {
    const queue = connect();
    for (const [id, priority] of [
      ['a', 0],
      ['b', 5],
      ['c', -1],
      ['d', 0],
    ] as const)
      await queue.enqueue(message(id, { priority }));
    const seen: string[] = [];
    queue.work(async ({ id }) => void seen.push(id));
    await vi.waitFor(() => expect(seen).toEqual(['c', 'a', 'd', 'b']), SOON);
  });

  it('keeps one message per waiting id, and takes a finished or failed one again', async () => {
    const queue = connect();
    await queue.enqueue(message('a'));
    await queue.enqueue(message('a'));
    expect(await queue.depth()).toBe(1);
    let runs = 0;
    queue.work(async () => {
      runs++;
      if (runs === 1) throw new Error('broken');
    });
    await vi.waitFor(() => expect(runs).toBe(1), SOON);
    for (const expected of [2, 3]) {
      await vi.waitFor(async () => expect(await queue.depth()).toBe(0), SOON);
      await queue.enqueue(message('a'));
      await vi.waitFor(() => expect(runs).toBe(expected), SOON);
    }
  });

  it('delivers a message that was added while one with its id is handled', async () => {
    const queue = connect();
    const seen: string[] = [];
    queue.work(async ({ id }) => {
      seen.push(id);
      if (seen.length === 1) await queue.enqueue(message(id));
    });
    await queue.enqueue(message('a'));
    await vi.waitFor(() => expect(seen).toEqual(['a', 'a']), SOON);
  });

  it('drops a canceled message', async () => {
    const queue = connect();
    await queue.enqueue(message('a'));
    await queue.enqueue(message('b'));
    await queue.enqueue(message('c', { notBefore: Date.now() + 60_000 }));
    await queue.cancel('a');
    await queue.cancel('c');
    await queue.cancel('unknown');
    expect(await queue.depth()).toBe(1);
    const seen: string[] = [];
    queue.work(async ({ id }) => void seen.push(id));
    await vi.waitFor(() => expect(seen).toEqual(['b']), SOON);
  });

  it('holds a message back until its time', async () => {
    const queue = connect();
    const notBefore = Date.now() + 300;
    const seen: number[] = [];
    queue.work(async () => void seen.push(Date.now()));
    await queue.enqueue(message('late', { notBefore }));
    expect(await queue.depth()).toBe(1);
    await vi.waitFor(() => expect(seen).toHaveLength(1), SOON);
    expect(seen[0]).toBeGreaterThanOrEqual(notBefore);
  });

  it('runs as many handlers at once as told, over all processes each message once', async () => {
    const ids = Array.from({ length: 12 }, (_, index) => `job-${index}`);
    const sender = connect();
    for (const id of ids) await sender.enqueue(message(id));
    const seen: string[] = [];
    let running = 0;
    let most = 0;
    const handler = async ({ id }: QueueMessage): Promise<void> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      seen.push(id);
    };
    connect(false).work(handler, 2);
    connect(false).work(handler, 1);
    await vi.waitFor(() => expect(seen.toSorted()).toEqual(ids.toSorted()), SOON);
    expect(most).toBeLessThanOrEqual(3);
  });

  it('closes only after the running handler has ended', async () => {
    const queue = connect();
    let finish = (): void => {};
    let isStarted = false;
    queue.work(async () => {
      isStarted = true;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    await queue.enqueue(message('a'));
    await vi.waitFor(() => expect(isStarted).toBe(true), SOON);
    let isClosed = false;
    const closing = queue.close().then(() => {
      isClosed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isClosed).toBe(false);
    finish();
    await closing;
  });
});

describe.skipIf(!HAS_REDIS)('queue on a Redis that goes away (needs redis-server on the PATH)', () => {
  it('throws queue-unavailable while it is down, and works when it is back', async () => {
    const port = await freePort();
    const queue = makeBullQueue(`redis://127.0.0.1:${port}`);
    const seen: string[] = [];
    queue.work(async ({ id }) => void seen.push(id));
    let redis: ChildProcess | undefined;
    try {
      await expect(queue.enqueue(message('early'))).rejects.toMatchObject({
        code: 'queue-unavailable',
        extras: { retryAfterSeconds: expect.any(Number) },
      });
      expect(await queue.isReady()).toBe(false);
      for (const round of ['a', 'b']) {
        redis = await startRedis(port);
        await vi.waitFor(async () => expect(await queue.isReady()).toBe(true), SOON);
        await queue.enqueue(message(round));
        await vi.waitFor(() => expect(seen).toContain(round), SOON);
        await stopRedis(redis);
        await expect(queue.depth()).rejects.toMatchObject({ code: 'queue-unavailable' });
      }
    } finally {
      await queue.close();
      if (redis) await stopRedis(redis);
    }
  }, 60_000);
});

describe('the URL of a queue', () => {
  it.each(['', 'localhost:6379', 'http://localhost', 'redis://localhost/first'])(
    'refuses %j without repeating it',
    (url) => {
      expect(() => makeBullQueue(url)).toThrow(expect.objectContaining({ code: 'invalid-request' }));
      if (url !== '') expect(() => makeBullQueue(url)).not.toThrow(url);
    },
  );
});
