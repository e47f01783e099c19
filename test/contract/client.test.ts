import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeClient, ProblemError, waitFor } from '../../src/client/client.js';
import { type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

test('asks, follows and reads the report', async () => {
  const client = makeClient(`${served.url}/`);
  const { data, response } = await client.POST('/v1/specializations', {
    body: { constraints: { maxMacs: 3_000_000 } },
  });
  expect(response.status).toBe(202);
  const id = data?.id ?? '';
  const seen: string[] = [];
  const row = await waitFor(client, id, {
    pollMs: 1,
    onProgress: ({ status }) => {
      seen.push(status);
      served.succeed(id);
    },
  });
  expect(seen).toEqual(['queued', 'succeeded']);
  const report = await client.GET('/v1/specializations/{id}/report', { params: { path: { id } } });
  expect(report.data).toMatchObject({ artifact: row.result?.artifact });
});

test('a failed specialization is an answer, not an error', async () => {
  const { id } = served.add('failed');
  expect((await waitFor(makeClient(served.url), id)).problem?.code).toBe('verification-failed');
});

test('an unknown id is a ProblemError with the problem in it', async () => {
  const waiting = waitFor(makeClient(served.url), '00000000-0000-4000-8000-000000000000');
  await expect(waiting).rejects.toBeInstanceOf(ProblemError);
  await expect(waiting).rejects.toMatchObject({ problem: { code: 'not-found', status: 404 } });
});

test('an abort ends the wait with its reason', async () => {
  const { id } = served.add('queued');
  const leave = new AbortController();
  const waiting = waitFor(makeClient(served.url), id, {
    signal: leave.signal,
    pollMs: 60_000,
    onProgress: () => queueMicrotask(() => leave.abort(new Error('enough'))),
  });
  await expect(waiting).rejects.toThrow('enough');
});
