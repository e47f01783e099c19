import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/common/hash.js';
import type { Outcome, SpecializationRow } from '../../src/specialize/types.js';
import type { Store } from '../../src/store/connect.js';
import { empty, startTestServer, type TestServer } from './store-database.js';
import { LEASE_MS, makeModel, makeRequest, makeSucceeded, PROBLEM } from './store-records.js';

let server: TestServer;
let store: Store & { readonly url: string };

beforeAll(async () => {
  server = await startTestServer();
  store = await server.makeStore();
});
afterAll(() => server.stop());
beforeEach(() => empty(store.url));

const ANSWER = { key: sha256('everything'), frontKey: sha256('bundle'), isFresh: false };
const MODEL = makeModel(2_000_000);

async function finish(id: string, outcome: Outcome): Promise<void> {
  const claim = await store.jobs.claim(id, 'w', LEASE_MS);
  expect(await store.jobs.finish(id, claim?.attempt ?? -1, outcome)).toBe(true);
}

/** A row that was searched for. */
async function searched(outcome: Outcome = makeSucceeded(MODEL, { top1: 0.93 })): Promise<SpecializationRow> {
  const { row } = await store.specializations.create(makeRequest(), undefined, { ...ANSWER, isFresh: true });
  await finish(row.id, outcome);
  return (await store.specializations.get(row.id)) ?? row;
}

describe('stored answers', () => {
  it('gives a new row the answer of an earlier one: result, report, model and what the history filters by', async () => {
    const first = await searched();
    const request = makeRequest({ labels: { target: 'phone' } });
    const { row, created } = await store.specializations.create(request, undefined, ANSWER);
    expect(created).toBe(true);
    expect(row).toMatchObject({ status: 'succeeded', progress: 1, attempt: 0, request, storedAnswerOf: first.id });
    expect(row.result).toEqual(first.result);
    expect(row.finishedAt).toBe(row.createdAt);
    expect(row.id).not.toBe(first.id);
    const report = await store.specializations.report(row.id);
    const earlier = await store.specializations.report(first.id);
    expect(report).toEqual({ ...earlier, id: row.id, createdAt: row.createdAt, request, storedAnswerOf: first.id });
    const { rows } = await store.specializations.list({ minTop1: 0.92, labels: { target: 'phone' } }, { limit: 9 });
    expect(rows.map(({ id }) => id)).toEqual([row.id]);
    expect(await store.jobs.claim(row.id, 'w', LEASE_MS)).toBeUndefined();
    expect(await store.jobs.sweep(3, PROBLEM)).toEqual([]);
  });

  it('says which fronts the answer came from, not which are newest now', async () => {
    const first = await searched();
    const search = { evaluations: 1000, warmStart: [first.id] };
    const { row } = await store.specializations.create(makeRequest({ search }), undefined, ANSWER);
    expect(row).toMatchObject({ storedAnswerOf: first.id, request: first.request });
  });

  it('keeps model and answer when the first row is removed, and answers from the copy then', async () => {
    const first = await searched();
    const { row: copy } = await store.specializations.create(makeRequest(), undefined, ANSWER);
    await store.specializations.remove(first.id);
    const sha = copy.result?.artifact.sha256 ?? '';
    expect(await store.artifacts.info(sha)).toMatchObject({ bytes: MODEL.byteLength });
    const { row: third } = await store.specializations.create(makeRequest(), undefined, ANSWER);
    expect(third).toMatchObject({ status: 'succeeded', storedAnswerOf: copy.id });
    await store.specializations.remove(copy.id);
    await store.specializations.remove(third.id);
    expect(await store.artifacts.info(sha)).toBeUndefined();
  });

  it('prefers the newest row that was searched for', async () => {
    await searched();
    await store.specializations.create(makeRequest(), undefined, ANSWER);
    const newer = await searched();
    await store.specializations.create(makeRequest(), undefined, ANSWER);
    const { row } = await store.specializations.create(makeRequest(), undefined, ANSWER);
    expect(row.storedAnswerOf).toBe(newer.id);
  });

  it('searches where there is no answer: another key, a failed row, a search that was cut short, or when asked to', async () => {
    const cut = makeSucceeded(MODEL);
    if (cut.status !== 'succeeded') throw new Error('it succeeded');
    await searched({ ...cut, report: { ...cut.report, searchCutShort: true } });
    const relaxed = { id: 'maxMacs', limit: 100, relaxedLimit: 105, figure: 'predictedTop1', from: 0.9 } as const;
    const unknown = { ...relaxed, evaluations: 0, why: 'no time' };
    await searched({ ...cut, report: { ...cut.report, moreBudget: [unknown] } });
    await searched({ status: 'failed', problem: PROBLEM });
    expect((await store.specializations.create(makeRequest(), undefined, ANSWER)).row.status).toBe('queued');
    await searched();
    const other = { ...ANSWER, key: sha256('other') };
    expect((await store.specializations.create(makeRequest(), undefined, other)).row.status).toBe('queued');
    const fresh = { ...ANSWER, isFresh: true };
    expect((await store.specializations.create(makeRequest(), undefined, fresh)).row.status).toBe('queued');
    expect((await store.specializations.create(makeRequest())).row).toMatchObject({ storedAnswerOf: null });
  });

  it('gives the same row again for the same idempotency key, answered or not', async () => {
    const first = await searched();
    const key = { key: 'k', bodyHash: sha256('body') };
    const second = await store.specializations.create(makeRequest(), key, ANSWER);
    expect(second.row.storedAnswerOf).toBe(first.id);
    expect(await store.specializations.create(makeRequest(), key, ANSWER)).toEqual({ ...second, created: false });
  });

  it('survives removals of the first row at the same moment', async () => {
    const first = await searched();
    const creates = Array.from({ length: 6 }, () => store.specializations.create(makeRequest(), undefined, ANSWER));
    const [, ...made] = await Promise.all([store.specializations.remove(first.id), ...creates]);
    for (const { row } of made as Awaited<(typeof creates)[number]>[]) {
      if (row.status === 'queued') continue; // it came after the removal
      expect(await store.artifacts.info(row.result?.artifact.sha256 ?? '')).toBeDefined();
    }
  });
});

describe('an answer that came while an equal request waited', () => {
  /** Two equal requests, both waiting; the first is then searched for. */
  async function waiting(changes: Partial<typeof ANSWER> = {}) {
    const request = makeRequest({ labels: { target: 'phone' } });
    const { row: first } = await store.specializations.create(makeRequest(), undefined, ANSWER);
    const { row: second } = await store.specializations.create(request, undefined, { ...ANSWER, ...changes });
    expect([first.status, second.status]).toEqual(['queued', 'queued']);
    return { first, second, request };
  }

  it('is given to the job when its turn comes, as to one that is asked for later', async () => {
    const { first, second, request } = await waiting();
    await finish(first.id, makeSucceeded(MODEL, { top1: 0.93 }));
    const claim = await store.jobs.claim(second.id, 'w', LEASE_MS);
    expect(await store.jobs.finishStored(second.id, claim?.attempt ?? -1)).toBe(true);
    const { row: third } = await store.specializations.create(request, undefined, ANSWER);
    const [row, report] = [await store.specializations.get(second.id), await store.specializations.report(second.id)];
    const { createdAt } = second;
    expect(row).toMatchObject({ status: 'succeeded', stage: null, progress: 1, request, storedAnswerOf: first.id });
    expect(row?.result).toEqual(third.result);
    expect(row?.finishedAt).not.toBeNull();
    expect(report).toEqual({ ...(await store.specializations.report(third.id)), id: second.id, createdAt });
    expect(await store.jobs.sweep(3, PROBLEM)).toEqual([]);
  });

  it('is given to nobody else: a first job that failed, another key, one that wants a fresh search, one to be canceled', async () => {
    const failed = await waiting();
    await finish(failed.first.id, { status: 'failed', problem: PROBLEM });
    const others = [failed, await waiting({ key: sha256('other') }), await waiting({ isFresh: true }), await waiting()];
    const [, , , canceled] = others;
    for (const { second } of others) {
      const claim = await store.jobs.claim(second.id, 'w', LEASE_MS);
      if (second === canceled?.second) {
        await finish(canceled.first.id, makeSucceeded(MODEL));
        await store.specializations.requestCancel(second.id);
      }
      expect(await store.jobs.finishStored(second.id, claim?.attempt ?? -1)).toBe(false);
      expect(await store.specializations.get(second.id)).toMatchObject({ status: 'running', storedAnswerOf: null });
    }
  });

  it('is not written by an attempt that lost the job', async () => {
    const { first, second } = await waiting();
    await finish(first.id, makeSucceeded(MODEL));
    const claim = await store.jobs.claim(second.id, 'w', LEASE_MS);
    expect(await store.jobs.finishStored(second.id, (claim?.attempt ?? 0) - 1)).toBe(false);
    expect(await store.jobs.finishStored('nonsense', 1)).toBe(false);
  });
});

describe('earlier fronts', () => {
  it('are those of rows that were searched for with the same bundle and latency model, newest first', async () => {
    const [first, second] = [await searched(), await searched()];
    await store.specializations.create(makeRequest(), undefined, ANSWER); // was given a stored answer
    const elsewhere = { ...ANSWER, frontKey: sha256('another bundle'), isFresh: true };
    const { row: other } = await store.specializations.create(makeRequest(), undefined, elsewhere);
    await finish(other.id, makeSucceeded(MODEL));
    await store.specializations.create(makeRequest(), undefined, { ...ANSWER, isFresh: true }); // waits
    expect(await store.specializations.withFronts(ANSWER.frontKey, 9)).toEqual([second.id, first.id]);
    expect(await store.specializations.withFronts(ANSWER.frontKey, 1)).toEqual([second.id]);
    const asked = [first.id, other.id, 'nonsense', second.id];
    expect(await store.specializations.withFronts(ANSWER.frontKey, 9, asked)).toEqual([first.id, second.id]);
  });

  it('reach the worker in the order of the request, without those that are gone', async () => {
    const [first, second] = [await searched(), await searched(makeSucceeded(MODEL, { archId: 'a2' }))];
    const warmStart = [second.id, first.id];
    const request = makeRequest({ search: { evaluations: 1000, warmStart } });
    const { row } = await store.specializations.create(request, undefined, { ...ANSWER, isFresh: true });
    await store.specializations.remove(second.id);
    const claim = await store.jobs.claim(row.id, 'w', LEASE_MS);
    expect(claim?.request).toEqual(request);
    const front = (await store.specializations.report(first.id))?.paretoFront.map(({ arch }) => arch);
    expect(claim?.earlierFronts).toEqual([{ id: first.id, archs: front }]);
  });
});
