import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectStore, type Store } from '../../src/store/connect.js';
import { LEASE_MS, makeModel, makeRequest, makeSucceeded, PROBLEM, PROGRESS } from './store-records.js';

const ID = '00000000-0000-7000-8000-000000000000';

describe('a store whose database cannot be reached', () => {
  let store: Store;
  beforeAll(async () => {
    store = await connectStore('postgresql://nobody:secret@127.0.0.1:1/none', { poolSize: 2 });
  });
  afterAll(() => store.close());

  const calls: readonly (readonly [string, (store: Store) => Promise<unknown>])[] = [
    ['create', ({ specializations }) => specializations.create(makeRequest())],
    ['get', ({ specializations }) => specializations.get(ID)],
    ['list', ({ specializations }) => specializations.list({}, { limit: 1 })],
    ['report', ({ specializations }) => specializations.report(ID)],
    ['requestCancel', ({ specializations }) => specializations.requestCancel(ID)],
    ['remove', ({ specializations }) => specializations.remove(ID)],
    ['countByStatus', ({ specializations }) => specializations.countByStatus()],
    ['claim', ({ jobs }) => jobs.claim(ID, 'w', LEASE_MS)],
    ['heartbeat', ({ jobs }) => jobs.heartbeat(ID, 1, LEASE_MS, PROGRESS)],
    ['finish', ({ jobs }) => jobs.finish(ID, 1, makeSucceeded(makeModel(1)))],
    ['finishCanceled', ({ jobs }) => jobs.finishCanceled(ID, 1)],
    ['release', ({ jobs }) => jobs.release(ID, 1)],
    ['sweep', ({ jobs }) => jobs.sweep(3, PROBLEM)],
    ['info', ({ artifacts }) => artifacts.info('0'.repeat(64))],
    ['read', ({ artifacts }) => artifacts.read('0'.repeat(64), 0, 1)[Symbol.asyncIterator]().next()],
  ];

  it.each(calls)('%s says so, and when to try again, without the address', async (_, call) => {
    const error = await call(store).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'database-unavailable', extras: { retryAfterSeconds: expect.any(Number) } });
    expect(String(error)).not.toMatch(/secret|127\.0\.0\.1/);
  });

  it('is not ready', async () => {
    expect(await store.isReady()).toBe(false);
  });
});

it.each(['', 'localhost', 'mysql://u:secret@h/d'])('refuses the URL %j without repeating it', async (url) => {
  await expect(connectStore(url, { poolSize: 1 })).rejects.toMatchObject({
    code: 'invalid-request',
    message: expect.not.stringContaining('secret'),
  });
});
