import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/common/hash.js';
import type { Claim } from '../../src/specialize/ports.js';
import type { Store } from '../../src/store/connect.js';
import { resultOf } from '../../src/store/rows.js';
import { empty, execute, startTestServer, type TestServer } from './store-database.js';
import { LEASE_MS, LOST_MS, makeModel, makeRequest, makeSucceeded, PROBLEM, PROGRESS } from './store-records.js';

let server: TestServer;
let store: Store & { readonly url: string };

beforeAll(async () => {
  server = await startTestServer();
  store = await server.makeStore(8);
});
afterAll(() => server.stop());
beforeEach(() => empty(store.url));

const NOWHERE = '00000000-0000-7000-8000-000000000000';
/** So many lost leases that no test reaches them. */
const MANY = 99;

async function create(): Promise<string> {
  return (await store.specializations.create(makeRequest())).row.id;
}

async function claimed(leaseMs = LEASE_MS): Promise<Claim> {
  const claim = await store.jobs.claim(await create(), 'w1', leaseMs);
  if (claim === undefined) throw new Error('not claimed');
  return claim;
}

/** A claim whose lease ran out and which another worker holds now. */
async function overtaken(): Promise<{ readonly old: Claim; readonly current: Claim }> {
  const old = await claimed(LOST_MS);
  expect(await store.jobs.sweep(MANY, PROBLEM)).toEqual([old.id]);
  const current = await store.jobs.claim(old.id, 'w2', LEASE_MS);
  if (current === undefined) throw new Error('not claimed');
  return { old, current };
}

async function bytes(sha: string, start: number, end: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.artifacts.read(sha, start, end)) chunks.push(chunk);
  for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(2 ** 20);
  return Buffer.concat(chunks);
}

describe('claiming', () => {
  it('starts the job and hands out what the worker needs', async () => {
    const { row } = await store.specializations.create(makeRequest({ seed: 7 }));
    const claim = await store.jobs.claim(row.id, 'w', LEASE_MS);
    expect(claim).toEqual({ id: row.id, attempt: 1, request: row.request, createdAt: row.createdAt });
    expect(await store.specializations.get(row.id)).toMatchObject({
      status: 'running',
      attempt: 1,
      startedAt: expect.any(String),
    });
  });

  it('lets exactly one of many workers have it', async () => {
    const id = await create();
    const claims = await Promise.all(Array.from({ length: 16 }, (_, i) => store.jobs.claim(id, `w${i}`, LEASE_MS)));
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
    expect((await store.specializations.get(id))?.attempt).toBe(1);
  });

  it('leaves a job of another supernet as it is, for a worker that has the bundle', async () => {
    const id = await create();
    expect(await store.jobs.claim(id, 'w', LEASE_MS, ['another'])).toBeUndefined();
    expect(await store.jobs.sweep(MANY, PROBLEM, ['another'])).toEqual([]);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'queued', attempt: 0 });
    expect(await store.jobs.sweep(MANY, PROBLEM, ['another', 'fashion-mnist'])).toEqual([id]);
    expect(await store.jobs.claim(id, 'w', LEASE_MS, ['another', 'fashion-mnist'])).toMatchObject({ id, attempt: 1 });
  });

  it('gives nothing for a row that is not there', async () => {
    expect(await store.jobs.claim(NOWHERE, 'w', LEASE_MS)).toBeUndefined();
    expect(await store.jobs.claim('nonsense', 'w', LEASE_MS)).toBeUndefined();
  });
});

describe('the heartbeat', () => {
  it('notes progress, renews the lease and tells of a cancel', async () => {
    const { id, attempt } = await claimed(LOST_MS);
    expect(await store.jobs.heartbeat(id, attempt, LEASE_MS, PROGRESS)).toEqual({
      lost: false,
      cancelRequested: false,
    });
    expect(await store.specializations.get(id)).toMatchObject({ stage: 'searching', progress: 0.25 });
    await store.jobs.sweep(MANY, PROBLEM);
    expect(await store.specializations.requestCancel(id)).toMatchObject({ status: 'running', cancelRequested: true });
    expect(await store.jobs.heartbeat(id, attempt, LEASE_MS, PROGRESS)).toEqual({ lost: false, cancelRequested: true });
    expect(await store.jobs.finishCanceled(id, attempt)).toBe(true);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'canceled', stage: null });
    expect((await store.jobs.heartbeat(id, attempt, LEASE_MS, PROGRESS)).lost).toBe(true);
  });

  it('keeps the front so far until another is told or the job ends, and tells a cancel in between', async () => {
    const { id, attempt } = await claimed();
    const front = { evaluations: 900, axis: 'macs', points: [{ predictedTop1: 0.9, macs: 5 }] } as const;
    expect(await store.specializations.searchFront(id)).toBeUndefined();
    await store.jobs.heartbeat(id, attempt, LEASE_MS, { ...PROGRESS, front });
    await store.jobs.heartbeat(id, attempt, LEASE_MS, PROGRESS);
    expect(await store.specializations.searchFront(id)).toEqual(front);
    expect(await store.jobs.cancelRequested(id, attempt)).toBe(false);
    await store.specializations.requestCancel(id);
    expect(await store.jobs.cancelRequested(id, attempt)).toBe(true);
    expect(await store.jobs.cancelRequested(id, attempt + 1)).toBe(false);
    expect(await store.jobs.cancelRequested('nonsense', 1)).toBe(false);
    await store.jobs.finishCanceled(id, attempt);
    expect(await store.specializations.searchFront(id)).toBeUndefined();
    expect(await store.specializations.searchFront('nonsense')).toBeUndefined();
  });

  it('keeps the fraction within 0 and 1', async () => {
    const { id, attempt } = await claimed();
    await store.jobs.heartbeat(id, attempt, LEASE_MS, { stage: 'publishing', fraction: 1.0000001 });
    expect((await store.specializations.get(id))?.progress).toBe(1);
  });
});

describe('finishing', () => {
  it('stores report, figures and bytes; any range of them is read back', async () => {
    const { id, attempt } = await claimed();
    const model = makeModel(2.5 * 2 ** 20);
    const outcome = makeSucceeded(model, { top1: 0.93, measuredLatencyMs: 0.5 });
    if (outcome.status !== 'succeeded') throw new Error('not succeeded');
    expect(await store.jobs.finish(id, attempt, outcome)).toBe(true);
    expect(await store.specializations.get(id)).toMatchObject({
      status: 'succeeded',
      stage: null,
      progress: 1,
      finishedAt: expect.any(String),
      result: resultOf(outcome.report),
      problem: null,
    });
    expect(await store.specializations.report(id)).toEqual(outcome.report);
    const sha = sha256(model);
    expect(await store.artifacts.info(sha)).toEqual(outcome.report.artifact);
    const last = model.length - 1;
    const MiB = 2 ** 20;
    for (const [start, end] of [
      [0, last],
      [0, 0],
      [last, last],
      [MiB - 1, MiB],
      [MiB, 2 * MiB - 1],
      [5, 2 * MiB + 5],
    ] as const)
      expect((await bytes(sha, start, end)).equals(model.subarray(start, end + 1)), `${start}-${end}`).toBe(true);
    for (const [start, end] of [
      [0, last + 1],
      [-1, 3],
      [9, 8],
    ] as const)
      await expect(bytes(sha, start, end)).rejects.toMatchObject({ code: 'range-not-satisfiable' });
    await expect(bytes('0'.repeat(64), 0, 1)).rejects.toMatchObject({ code: 'not-found' });
    expect(await store.artifacts.info('nonsense')).toBeUndefined();
  });

  it('stores the problem of a failed job', async () => {
    const { id, attempt } = await claimed();
    expect(await store.jobs.finish(id, attempt, { status: 'failed', problem: PROBLEM })).toBe(true);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'failed', problem: PROBLEM, result: null });
  });

  it('keeps a cancel that came after the last heartbeat: no result is stored', async () => {
    const { id, attempt } = await claimed();
    await store.specializations.requestCancel(id);
    expect(await store.jobs.finish(id, attempt, makeSucceeded(makeModel(70)))).toBe(true);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'canceled', result: null, stage: null });
    expect(await execute(store.url, 'SELECT 1 FROM artifacts')).toEqual([]);
  });

  it('happens once: the second time nothing is written', async () => {
    const { id, attempt } = await claimed();
    const finishes = await Promise.all([
      store.jobs.finish(id, attempt, { status: 'failed', problem: PROBLEM }),
      store.jobs.finish(id, attempt, makeSucceeded(makeModel(9))),
      store.jobs.finishCanceled(id, attempt),
    ]);
    expect(finishes.filter(Boolean)).toHaveLength(1);
  });

  it('writes bytes that two jobs deliver at once a single time', async () => {
    const model = makeModel(3000, 5);
    const claims = await Promise.all([claimed(), claimed(), claimed()]);
    const done = await Promise.all(
      claims.map(({ id, attempt }) => store.jobs.finish(id, attempt, makeSucceeded(model))),
    );
    expect(done).toEqual([true, true, true]);
    expect(await execute(store.url, 'SELECT count(*)::int AS n FROM artifact_chunks')).toEqual([{ n: 1 }]);
    expect((await bytes(sha256(model), 0, 2999)).equals(model)).toBe(true);
  });

  it('refuses bytes that are not those of the report, leaving nothing behind', async () => {
    const { id, attempt } = await claimed();
    const outcome = makeSucceeded(makeModel(50));
    if (outcome.status !== 'succeeded') throw new Error('not succeeded');
    await expect(store.jobs.finish(id, attempt, { ...outcome, model: makeModel(50, 2) })).rejects.toThrow(/sha256/);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'running' });
    expect(await execute(store.url, 'SELECT 1 FROM artifacts')).toEqual([]);
  });
});

describe('a worker whose lease went to another', () => {
  it('writes nothing any more', async () => {
    const { old, current } = await overtaken();
    expect(current.attempt).toBe(old.attempt + 1);
    const before = await store.specializations.get(old.id);
    expect(await store.jobs.heartbeat(old.id, old.attempt, LEASE_MS, PROGRESS)).toEqual({
      lost: true,
      cancelRequested: false,
    });
    expect(await store.jobs.finish(old.id, old.attempt, makeSucceeded(makeModel(20)))).toBe(false);
    expect(await store.jobs.finish(old.id, old.attempt, { status: 'failed', problem: PROBLEM })).toBe(false);
    expect(await store.jobs.finishCanceled(old.id, old.attempt)).toBe(false);
    expect(await store.jobs.release(old.id, old.attempt)).toBe(false);
    expect(await store.specializations.get(old.id)).toEqual(before);
    expect(await execute(store.url, 'SELECT 1 FROM artifacts')).toEqual([]);
    expect(await store.jobs.finish(current.id, current.attempt, makeSucceeded(makeModel(20)))).toBe(true);
  });

  it('finds its row gone when that was removed', async () => {
    const { id, attempt } = await claimed();
    await store.jobs.finish(id, attempt, { status: 'failed', problem: PROBLEM });
    await store.specializations.remove(id);
    expect((await store.jobs.heartbeat(id, attempt, LEASE_MS, PROGRESS)).lost).toBe(true);
    expect(await store.jobs.finish(id, attempt, makeSucceeded(makeModel(20)))).toBe(false);
  });
});

describe('releasing', () => {
  it('lets another claim it, without counting as a lost attempt', async () => {
    const id = await create();
    for (let i = 1; i <= 3; i++) {
      const claim = await store.jobs.claim(id, 'w', LEASE_MS);
      expect(claim?.attempt).toBe(i);
      expect(await store.jobs.release(id, i)).toBe(true);
    }
    expect(await store.jobs.sweep(1, PROBLEM)).toEqual([id]);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'queued', stage: null, progress: 0 });
  });

  it('cancels a job that was to be canceled', async () => {
    const { id, attempt } = await claimed();
    await store.specializations.requestCancel(id);
    expect(await store.jobs.release(id, attempt)).toBe(true);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'canceled', finishedAt: expect.any(String) });
  });
});

describe('sweeping', () => {
  it('brings back lost leases and waiting rows, oldest first, and leaves the others alone', async () => {
    const waiting = await create();
    const lost = await claimed(LOST_MS);
    const held = await claimed();
    expect(await store.jobs.sweep(3, PROBLEM)).toEqual([waiting, lost.id]);
    expect(await store.specializations.get(lost.id)).toMatchObject({ status: 'queued', attempt: 1, stage: null });
    expect(await store.specializations.get(held.id)).toMatchObject({ status: 'running' });
  });

  it('fails a job whose lease was lost maxAttempts times', async () => {
    const id = await create();
    for (let i = 1; i <= 3; i++) {
      await store.jobs.claim(id, 'w', LOST_MS);
      expect(await store.jobs.sweep(3, PROBLEM)).toEqual(i < 3 ? [id] : []);
    }
    expect(await store.specializations.get(id)).toMatchObject({ status: 'failed', problem: PROBLEM, attempt: 3 });
  });

  it('cancels a lost job that was to be canceled', async () => {
    const { id } = await claimed(LOST_MS);
    await store.specializations.requestCancel(id);
    expect(await store.jobs.sweep(3, PROBLEM)).toEqual([]);
    expect(await store.specializations.get(id)).toMatchObject({ status: 'canceled', problem: null });
  });

  it('counts a lost lease once when several sweep at once', async () => {
    const { id } = await claimed(LOST_MS);
    await Promise.all(Array.from({ length: 6 }, () => store.jobs.sweep(MANY, PROBLEM)));
    expect(await execute(store.url, 'SELECT lost_leases FROM specializations')).toEqual([{ lost_leases: 1 }]);
    expect((await store.jobs.claim(id, 'w', LEASE_MS))?.attempt).toBe(2);
  });
});

describe('the table itself', () => {
  it.each([
    ["UPDATE specializations SET status = 'running'", 'running_has_lease'],
    ["UPDATE specializations SET status = 'failed'", 'finished_has_time'],
    ['UPDATE specializations SET progress = 2', 'progress_range'],
    ["UPDATE specializations SET status = 'lost'", 'invalid input value for enum'],
    ["INSERT INTO artifacts VALUES ('x', 1, 1, 1)", 'sha256_form'],
  ])('refuses %s', async (sql, reason) => {
    await create();
    await expect(execute(store.url, sql)).rejects.toThrow(reason);
  });
});
