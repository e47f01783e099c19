import { describe, expect, it, vi } from 'vitest';
import { makeInProcessQueue } from '../../../src/queue/in-process.js';
import type { QueueMessage } from '../../../src/queue/queue.js';

const message = (id: string, rest: Partial<QueueMessage> = {}): QueueMessage => ({ kind: 'specialize', id, ...rest });

/** A handler that notes ids and ends each run only when told. */
function makeGate() {
  const started: string[] = [];
  const open: (() => void)[] = [];
  const handler = async ({ id }: QueueMessage): Promise<void> => {
    started.push(id);
    await new Promise<void>((resolve) => open.push(resolve));
  };
  return { started, handler, finishNext: () => open.shift()?.() };
}

/** All microtasks and immediate callbacks that are due have run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('in-process queue', () => {
  it('hands out the lowest priority first, and equal ones in the order they came', async () => {
    const queue = makeInProcessQueue();
    for (const [id, priority] of [
      ['a', 0],
      ['b', 5],
      ['c', -1],
      ['d', 0],
    ] as const)
      await queue.enqueue(message(id, { priority }));
    const seen: string[] = [];
    queue.work(async ({ id }) => void seen.push(id));
    await vi.waitFor(() => expect(seen).toEqual(['c', 'a', 'd', 'b']));
    await queue.close();
  });

  it('keeps one message per waiting id, and takes the id again while it is handled', async () => {
    const queue = makeInProcessQueue();
    await queue.enqueue(message('a'));
    await queue.enqueue(message('a'));
    expect(await queue.depth()).toBe(1);
    const gate = makeGate();
    queue.work(gate.handler);
    await settled();
    await queue.enqueue(message('a'));
    expect(await queue.depth()).toBe(1);
    gate.finishNext();
    await settled();
    expect(gate.started).toEqual(['a', 'a']);
    gate.finishNext();
    await queue.close();
  });

  it('runs no more handlers at once than told', async () => {
    const queue = makeInProcessQueue();
    const gate = makeGate();
    queue.work(gate.handler, 2);
    for (const id of ['a', 'b', 'c']) await queue.enqueue(message(id));
    await settled();
    expect(gate.started).toEqual(['a', 'b']);
    expect(await queue.depth()).toBe(1);
    gate.finishNext();
    await settled();
    expect(gate.started).toEqual(['a', 'b', 'c']);
    gate.finishNext();
    gate.finishNext();
    await queue.close();
  });

  it('holds a message back until its time, letting later ones pass', async () => {
    vi.useFakeTimers();
    try {
      const queue = makeInProcessQueue();
      const seen: string[] = [];
      queue.work(async ({ id }) => void seen.push(id));
      await queue.enqueue(message('late', { priority: -9, notBefore: Date.now() + 60_000 }));
      await queue.enqueue(message('now'));
      await vi.advanceTimersByTimeAsync(59_999);
      expect(seen).toEqual(['now']);
      await vi.advanceTimersByTimeAsync(1);
      expect(seen).toEqual(['now', 'late']);
      await queue.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('waits for a time beyond the longest timer', async () => {
    vi.useFakeTimers();
    try {
      const queue = makeInProcessQueue();
      const seen: string[] = [];
      queue.work(async ({ id }) => void seen.push(id));
      await queue.enqueue(message('far', { notBefore: Date.now() + 2 ** 31 + 1000 }));
      await vi.advanceTimersByTimeAsync(2 ** 31 - 1);
      expect(seen).toEqual([]);
      await vi.advanceTimersByTimeAsync(1001);
      expect(seen).toEqual(['far']);
      await queue.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('goes on after a handler that throws', async () => {
    const queue = makeInProcessQueue();
    const seen: string[] = [];
    queue.work(async ({ id }) => {
      seen.push(id);
      if (id === 'bad') throw new Error('broken');
    });
    await queue.enqueue(message('bad'));
    await queue.enqueue(message('good'));
    await vi.waitFor(() => expect(seen).toEqual(['bad', 'good']));
    expect(await queue.depth()).toBe(0);
    await queue.close();
  });

  it('drops a canceled message', async () => {
    const queue = makeInProcessQueue();
    await queue.enqueue(message('a'));
    await queue.enqueue(message('b'));
    await queue.cancel('a');
    await queue.cancel('unknown');
    const seen: string[] = [];
    queue.work(async ({ id }) => void seen.push(id));
    await settled();
    await queue.close();
    expect(seen).toEqual(['b']);
  });

  it('closes only after the running handlers have ended, and hands out nothing more', async () => {
    const queue = makeInProcessQueue();
    const gate = makeGate();
    queue.work(gate.handler);
    await queue.enqueue(message('a'));
    await queue.enqueue(message('b'));
    await settled();
    let isClosed = false;
    const closing = queue.close().then(() => {
      isClosed = true;
    });
    await settled();
    expect(isClosed).toBe(false);
    expect(await queue.isReady()).toBe(false);
    gate.finishNext();
    await closing;
    expect(gate.started).toEqual(['a']);
  });
});
