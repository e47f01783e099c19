import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/common/hash.js';
import type { HistoryFilter } from '../../src/specialize/ports.js';
import { connectStore, type Store } from '../../src/store/connect.js';
import { empty, execute, startTestServer, type TestServer } from './store-database.js';
import { type Figures, LEASE_MS, makeModel, makeRequest, makeSucceeded, PROBLEM } from './store-records.js';

let server: TestServer;
let store: Store & { readonly url: string };

beforeAll(async () => {
  server = await startTestServer();
  store = await server.makeStore();
});
afterAll(() => server.stop());
beforeEach(() => empty(store.url));

const NOWHERE = '00000000-0000-7000-8000-000000000000';

/** A succeeded row with these figures. */
async function succeed(figures: Figures, request = makeRequest(), model = makeModel(10)): Promise<string> {
  const { row } = await store.specializations.create(request);
  const claim = await store.jobs.claim(row.id, 'w', LEASE_MS);
  expect(await store.jobs.finish(row.id, claim?.attempt ?? -1, makeSucceeded(model, figures))).toBe(true);
  return row.id;
}

describe('creating', () => {
  it('keeps the request exactly, as a queued row', async () => {
    const request = makeRequest({ resolutions: [20, 28], labels: { target: 'kiosk', 'a.b': 'c"d\\' } });
    const { row, created } = await store.specializations.create(request);
    expect(created).toBe(true);
    expect(row).toMatchObject({ status: 'queued', stage: null, progress: 0, attempt: 0, request, result: null });
    expect(row).toMatchObject({ startedAt: null, finishedAt: null, problem: null, cancelRequested: false });
    expect(row.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Date(row.createdAt).toISOString()).toBe(row.createdAt);
    expect(await store.specializations.get(row.id)).toEqual(row);
    expect(await store.specializations.report(row.id)).toBeUndefined();
  });

  it('finds nothing under another id, or under what is no id', async () => {
    expect(await store.specializations.get(NOWHERE)).toBeUndefined();
    expect(await store.specializations.get('1; drop table')).toBeUndefined();
    expect(await store.specializations.report('x')).toBeUndefined();
  });

  it('refuses text that PostgreSQL cannot hold as an invalid request', async () => {
    const request = makeRequest({ hardwareId: 'a\u0000b' });
    await expect(store.specializations.create(request)).rejects.toMatchObject({ code: 'invalid-request' });
    const labeled = makeRequest({ labels: { a: '\u0000' } });
    await expect(store.specializations.create(labeled)).rejects.toMatchObject({ code: 'invalid-request' });
  });

  it('tells times in UTC whatever the database is set to', async () => {
    const name = new URL(store.url).pathname.slice(1);
    await execute(store.url, `ALTER DATABASE ${name} SET timezone TO 'Asia/Tokyo'`);
    const other = await connectStore(store.url, { poolSize: 1 });
    const { row } = await other.specializations.create(makeRequest());
    await other.close();
    const [clock] = await execute(store.url, 'SELECT extract(epoch FROM now()) * 1000 AS ms');
    expect(Math.abs(Date.parse(row.createdAt) - Number(clock?.ms))).toBeLessThan(60_000);
    const again = await store.specializations.list(
      { createdAfter: new Date(Date.parse(row.createdAt) - 1).toISOString() },
      { limit: 9 },
    );
    expect(again.rows.map(({ id }) => id)).toEqual([row.id]);
  });
});

describe('idempotency', () => {
  const key = { key: 'k', bodyHash: sha256('body') };

  it('gives the first row again for the same key and body, and refuses another body', async () => {
    const first = await store.specializations.create(makeRequest(), key);
    const second = await store.specializations.create(makeRequest(), key);
    expect(second).toEqual({ row: first.row, created: false });
    expect(await store.specializations.repeated(key)).toEqual(first.row);
    expect(await store.specializations.repeated({ ...key, key: 'free' })).toBeUndefined();
    await expect(
      store.specializations.create(makeRequest(), { ...key, bodyHash: sha256('other') }),
    ).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(first.row.id),
    });
  });

  it('makes one row out of many creates at once', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => store.specializations.create(makeRequest(), key)));
    expect(new Set(all.map(({ row }) => row.id)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
    expect((await store.specializations.list({}, { limit: 50 })).rows).toHaveLength(1);
  });

  it('forgets a key after 24 hours, not before', async () => {
    const first = await store.specializations.create(makeRequest(), key);
    const age = (interval: string) =>
      execute(store.url, 'UPDATE specializations SET created_at = now() - $1::interval', [interval]);
    await age('23 hours 59 minutes');
    expect((await store.specializations.create(makeRequest(), key)).created).toBe(false);
    await age('24 hours 1 second');
    const second = await store.specializations.create(makeRequest(), { ...key, bodyHash: sha256('other') });
    expect(second.created).toBe(true);
    expect(await store.specializations.get(first.row.id)).toBeDefined();
  });

  it('frees the key with its row', async () => {
    const { row } = await store.specializations.create(makeRequest(), key);
    await store.specializations.requestCancel(row.id);
    await store.specializations.remove(row.id);
    expect((await store.specializations.create(makeRequest(), key)).created).toBe(true);
  });
});

describe('the history', () => {
  it('pages newest first, each row once, also when rows share a time and others are added meanwhile', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 7; i++) ids.push((await store.specializations.create(makeRequest())).row.id);
    // Three times for seven rows: every page border falls within equal times.
    await execute(
      store.url,
      'UPDATE specializations SET created_at = to_timestamp(1700000000 + ascii(right(id::text, 1)) % 3)',
    );
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.specializations.list({}, { limit: 2, ...(cursor !== undefined && { cursor }) });
      seen.push(...page.rows.map(({ id }) => id));
      cursor = page.nextCursor;
      await store.specializations.create(makeRequest());
    } while (cursor !== undefined);
    const expected = await execute(
      store.url,
      'SELECT id FROM specializations WHERE id = ANY ($1) ORDER BY created_at DESC, id DESC',
      [ids],
    );
    expect(seen).toEqual(expected.map(({ id }) => id));
  });

  it('has no next cursor on a page that is just full', async () => {
    for (let i = 0; i < 2; i++) await store.specializations.create(makeRequest());
    expect((await store.specializations.list({}, { limit: 2 })).nextCursor).toBeUndefined();
    expect((await store.specializations.list({}, { limit: 1 })).nextCursor).toBeDefined();
  });

  it.each([
    '',
    'x',
    'MTIz',
    Buffer.from(`1.${NOWHERE}x`).toString('base64url'),
    `${Buffer.from(`1.${NOWHERE}`).toString('base64')}=`,
  ])('refuses the cursor %j', async (cursor) => {
    await expect(store.specializations.list({}, { limit: 1, cursor })).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });

  it('filters by every field, all at once', async () => {
    const plain = await succeed({ archId: 'a1', top1: 0.9, measuredLatencyMs: 0.5, predictedLatencyMs: 9, macs: 100 });
    const predicted = await succeed(
      { archId: 'a2', predictedLatencyMs: 0.4, macs: 5_000_000_000 },
      makeRequest({ labels: { target: 'kiosk', site: 'b' } }),
    );
    const waiting = (
      await store.specializations.create(
        makeRequest({ hardwareId: 'other', supernetId: 'tiny', labels: { target: 'kiosk' } }),
      )
    ).row;
    const find = async (filter: HistoryFilter): Promise<string[]> =>
      (await store.specializations.list(filter, { limit: 50 })).rows.map(({ id }) => id).toSorted();
    const of = (...ids: string[]): string[] => ids.toSorted();
    expect(await find({})).toEqual(of(plain, predicted, waiting.id));
    expect(await find({ hardwareId: 'other' })).toEqual([waiting.id]);
    expect(await find({ supernetId: 'tiny' })).toEqual([waiting.id]);
    expect(await find({ status: 'succeeded' })).toEqual(of(plain, predicted));
    expect(await find({ archId: 'a2' })).toEqual([predicted]);
    expect(await find({ labels: { target: 'kiosk' } })).toEqual(of(predicted, waiting.id));
    expect(await find({ labels: { target: 'kiosk', site: 'b' } })).toEqual([predicted]);
    expect(await find({ labels: { target: 'kios' } })).toEqual([]);
    expect(await find({ minTop1: 0.9 })).toEqual([plain]);
    expect(await find({ minTop1: 0.9001 })).toEqual([]);
    expect(await find({ maxLatencyMs: 0.45 })).toEqual([predicted]);
    expect(await find({ maxLatencyMs: 0.5 })).toEqual(of(plain, predicted));
    expect(await find({ maxMacs: 100.5 })).toEqual([plain]);
    expect(await find({ maxMacs: 1e30 })).toEqual(of(plain, predicted));
    expect(await find({ createdAfter: waiting.createdAt })).toEqual([]);
    expect(await find({ createdBefore: waiting.createdAt, hardwareId: 'other' })).toEqual([]);
    expect(
      await find({ createdBefore: '2999-01-01T00:00:00Z', createdAfter: '2000-01-01T00:00:00+02:00' }),
    ).toHaveLength(3);
    expect(await find({ status: 'succeeded', labels: { target: 'kiosk' }, maxMacs: 100 })).toEqual([]);
    await expect(find({ createdAfter: 'yesterday' })).rejects.toMatchObject({ code: 'invalid-request' });
  });
});

describe('canceling', () => {
  it('ends a queued row at once, and says the same when repeated', async () => {
    const { row } = await store.specializations.create(makeRequest());
    const canceled = await store.specializations.requestCancel(row.id);
    expect(canceled).toMatchObject({ status: 'canceled', cancelRequested: true, finishedAt: expect.any(String) });
    expect(await store.specializations.requestCancel(row.id)).toEqual(canceled);
    expect(await store.jobs.claim(row.id, 'w', LEASE_MS)).toBeUndefined();
  });

  it('leaves a finished row as it is, and knows no other', async () => {
    const id = await succeed({});
    const before = await store.specializations.get(id);
    expect(await store.specializations.requestCancel(id)).toEqual(before);
    expect(await store.specializations.requestCancel(NOWHERE)).toBeUndefined();
    expect(await store.specializations.requestCancel('nonsense')).toBeUndefined();
  });
});

describe('removing', () => {
  it('refuses a queued and a running row', async () => {
    const { row } = await store.specializations.create(makeRequest());
    await expect(store.specializations.remove(row.id)).rejects.toMatchObject({ code: 'conflict' });
    await store.jobs.claim(row.id, 'w', LEASE_MS);
    await expect(store.specializations.remove(row.id)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('running'),
    });
  });

  it('removes a failed row; the second time there is none', async () => {
    const { row } = await store.specializations.create(makeRequest());
    const claim = await store.jobs.claim(row.id, 'w', LEASE_MS);
    await store.jobs.finish(row.id, claim?.attempt ?? -1, { status: 'failed', problem: PROBLEM });
    expect(await store.specializations.remove(row.id)).toBe(true);
    expect(await store.specializations.remove(row.id)).toBe(false);
    expect(await store.specializations.remove('nonsense')).toBe(false);
  });

  it('keeps an artifact until its last row is removed', async () => {
    const model = makeModel(100);
    const ids = [await succeed({}, makeRequest(), model), await succeed({}, makeRequest(), model)];
    const sha = sha256(model);
    await store.specializations.remove(ids[0] ?? '');
    expect(await store.artifacts.info(sha)).toMatchObject({ bytes: 100 });
    await store.specializations.remove(ids[1] ?? '');
    expect(await store.artifacts.info(sha)).toBeUndefined();
    expect(await execute(store.url, 'SELECT 1 FROM artifact_chunks')).toEqual([]);
  });

  it('never removes bytes that a row being finished at that moment delivers', async () => {
    const model = makeModel(100);
    for (let round = 0; round < 10; round++) {
      const old = await succeed({}, makeRequest(), model);
      const { row } = await store.specializations.create(makeRequest());
      const claim = await store.jobs.claim(row.id, 'w', LEASE_MS);
      const [removed, finished] = await Promise.all([
        store.specializations.remove(old),
        store.jobs.finish(row.id, claim?.attempt ?? -1, makeSucceeded(model)),
      ]);
      expect([removed, finished]).toEqual([true, true]);
      expect(await store.artifacts.info(sha256(model))).toBeDefined();
      expect(await store.specializations.remove(row.id)).toBe(true);
      expect(await store.artifacts.info(sha256(model))).toBeUndefined();
    }
  });
});

describe('counting', () => {
  it('has a number for every status', async () => {
    await succeed({});
    await store.specializations.create(makeRequest());
    await store.specializations.create(makeRequest());
    const counts = { queued: 2, running: 0, succeeded: 1, failed: 0, canceled: 0 };
    expect(await store.specializations.countByStatus()).toEqual(counts);
  });
});
