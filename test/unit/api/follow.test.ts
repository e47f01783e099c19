import { expect, test } from 'vitest';
import { makeWatches } from '../../../src/api/follow.js';
import type { SpecializationRow } from '../../../src/specialize/types.js';

/** Longer than any test may take: a wait that is not ended by what the test does fails it. */
const FOREVER_MS = 600_000;
const NEVER = new AbortController().signal;

const row = (changes: Partial<SpecializationRow> = {}): SpecializationRow => ({
  id: 'a',
  status: 'running',
  stage: 'searching',
  progress: 0.5,
  attempt: 1,
  request: {
    ...{ supernetId: 'toy', hardwareId: 'local-cpu', constraints: {}, objective: 'macs', seed: 1, labels: {} },
    search: { evaluations: 1000 },
    verify: { latency: 'skip' },
  },
  createdAt: '2026-01-01T00:00:00.000Z',
  startedAt: null,
  finishedAt: null,
  problem: null,
  result: null,
  cancelRequested: false,
  storedAnswerOf: null,
  ...changes,
});

test('waking a row ends every wait for it, and none for another', async () => {
  const watches = makeWatches();
  const ended: string[] = [];
  const follow = async (name: string, id: string): Promise<void> => {
    await watches.open(id).wait(row({ id }), FOREVER_MS, NEVER);
    ended.push(name);
  };
  const two = [follow('first', 'a'), follow('second', 'a')];
  void follow('other', 'b');
  watches.wake('a');
  await Promise.all(two);
  expect(ended).toEqual(['first', 'second']);
});

test('a change between two waits is not slept through', async () => {
  const watches = makeWatches();
  const watch = watches.open('a');
  watches.wake('a');
  await watch.wait(row(), FOREVER_MS, NEVER);
  let isOver = false;
  const second = watch.wait(row(), FOREVER_MS, NEVER).then(() => {
    isOver = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false); // one wake, one wait
  watches.wake('a');
  await second;
});

test('an abort ends a wait, before and during it', async () => {
  const watch = makeWatches().open('a');
  await watch.wait(row(), FOREVER_MS, AbortSignal.abort());
  const leave = new AbortController();
  const waiting = watch.wait(row(), FOREVER_MS, leave.signal);
  leave.abort();
  await waiting;
});

test('a job that is being stopped is looked at soon', async () => {
  await makeWatches()
    .open('a')
    .wait(row({ cancelRequested: true }), FOREVER_MS, NEVER);
});

test('who closed its watch is not woken', async () => {
  const watches = makeWatches();
  const watch = watches.open('a');
  watch.close();
  watches.wake('a');
  const leave = new AbortController();
  let isOver = false;
  const waiting = watch.wait(row(), FOREVER_MS, leave.signal).then(() => {
    isOver = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  leave.abort();
  await waiting;
});
