import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SpecializationRow } from '../../src/specialize/types.js';
import { type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

const PATH = '/v1/specializations';
const BODY = { constraints: { maxMacs: 3_000_000 }, search: { evaluations: 2000 } };

async function post(
  body: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; row: SpecializationRow }> {
  const { status, text } = await served.post(PATH, body, headers);
  return { status, row: JSON.parse(text) as SpecializationRow };
}

describe('stored answers', () => {
  it('answers an equal request at once, in a row of its own that says whose answer it has', async () => {
    const first = await post({ ...BODY, seed: 21, labels: { target: 'kiosk' } });
    expect(first).toMatchObject({ status: 202, row: { status: 'queued', storedAnswerOf: null } });
    served.succeed(first.row.id);
    const before = served.queued.length;
    const second = await post({ ...BODY, seed: 21, labels: { target: 'phone' } });
    expect(second.status).toBe(200);
    expect(second.row).toMatchObject({ status: 'succeeded', storedAnswerOf: first.row.id, progress: 1 });
    expect(second.row.id).not.toBe(first.row.id);
    expect(second.row.request.labels).toEqual({ target: 'phone' });
    expect(second.row.result).toEqual(JSON.parse((await served.ask({ path: `${PATH}/${first.row.id}` })).text).result);
    expect(served.queued).toHaveLength(before);
    const report = JSON.parse((await served.ask({ path: `${PATH}/${second.row.id}/report` })).text);
    expect(report).toMatchObject({ id: second.row.id, storedAnswerOf: first.row.id });
  });

  it('searches again when asked to, and when anything but the labels differs', async () => {
    const base = { ...BODY, seed: 22 };
    const others = [
      { ...base, search: { ...BODY.search, fresh: true } },
      { ...base, seed: 23 },
      { ...base, constraints: { maxMacs: 3_000_001 } },
      { ...base, resolutions: [20] },
      { ...base, objective: 'macs' },
      { ...base, search: { evaluations: 2001 } },
      { ...base, search: { ...BODY.search, confidence: 0.9 } },
      { ...base, verify: { latency: 'skip' } },
    ];
    const first = await post(base);
    served.succeed(first.row.id);
    for (const body of others) {
      expect(await post(body), JSON.stringify(body)).toMatchObject({ status: 202, row: { storedAnswerOf: null } });
    }
    // Defaults that are spelled out ask for the same.
    const spelled = { ...base, objective: 'accuracy', verify: { latency: 'measured' } };
    expect((await post(spelled)).row.status).toBe('succeeded');
  });

  it('keeps what an Idempotency-Key means: the same row again', async () => {
    const first = await post({ ...BODY, seed: 7 });
    served.succeed(first.row.id);
    const headers = { 'Idempotency-Key': 'stored-1' };
    const second = await post({ ...BODY, seed: 7 }, headers);
    expect(second).toMatchObject({ status: 200, row: { storedAnswerOf: first.row.id } });
    expect((await post({ ...BODY, seed: 7 }, headers)).row.id).toBe(second.row.id);
    expect((await post({ ...BODY, seed: 8 }, headers)).status).toBe(409);
  });
});

describe('warm starts', () => {
  it('name the newest fronts in the row, or those that were asked for, and refuse others', async () => {
    const first = served.add('succeeded');
    const second = served.add('succeeded');
    const search = (warmStart: unknown) => ({ ...BODY, seed: 11, search: { ...BODY.search, warmStart } });
    const newest = await post(search(true));
    expect(newest.row.request.search.warmStart?.slice(0, 2)).toEqual([second.id, first.id]);
    const named = await post(search([first.id]));
    expect(named.row.request.search.warmStart).toEqual([first.id]);
    expect((await post(search(false))).row.request.search.warmStart).toBeUndefined();
    const waiting = served.add('queued');
    const refused = await served.post(PATH, search([first.id, waiting.id]));
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.text).errors).toEqual([
      { pointer: '/search/warmStart/1', detail: expect.stringContaining(waiting.id) },
    ]);
    expect((await served.post(PATH, search([]))).status).toBe(400);
    expect((await served.post(PATH, search('yes'))).status).toBe(400);
  });

  it('make a request another one, and an equal one is still answered at once', async () => {
    const body = { ...BODY, seed: 12 };
    const warm = { ...body, search: { ...BODY.search, warmStart: true } };
    served.succeed((await post(body)).row.id);
    const first = await post(warm);
    expect(first.row.status).toBe('queued');
    served.succeed(first.row.id);
    expect((await post(warm)).row.storedAnswerOf).toBe(first.row.id); // though there is a newer front by now
  });
});
