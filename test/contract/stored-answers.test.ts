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
    const first = await post({ ...BODY, labels: { target: 'kiosk' } });
    expect(first).toMatchObject({ status: 202, row: { status: 'queued', storedAnswerOf: null } });
    served.succeed(first.row.id);
    const before = served.queued.length;
    const second = await post({ ...BODY, labels: { target: 'phone' } });
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
    const others = [
      { ...BODY, search: { ...BODY.search, fresh: true } },
      { ...BODY, seed: 2 },
      { ...BODY, constraints: { maxMacs: 3_000_001 } },
      { ...BODY, resolutions: [20] },
      { ...BODY, objective: 'macs' },
      { ...BODY, search: { evaluations: 2001 } },
      { ...BODY, search: { ...BODY.search, confidence: 0.9 } },
      { ...BODY, verify: { latency: 'skip' } },
    ];
    const first = await post(BODY);
    served.succeed(first.row.id);
    for (const body of others) {
      expect(await post(body), JSON.stringify(body)).toMatchObject({ status: 202, row: { storedAnswerOf: null } });
    }
    // Defaults that are spelled out ask for the same.
    const spelled = { ...BODY, seed: 1, objective: 'accuracy', verify: { latency: 'measured' } };
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
