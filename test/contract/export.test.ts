import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

const PATH = '/v1/specializations';
const LIMIT = { constraints: { maxMacs: 3_000_000 } };

describe('export options of a request', () => {
  test('are kept with their defaults, and absent where nothing was asked', async () => {
    const asked = JSON.parse((await served.post(PATH, { ...LIMIT, export: { batch: 1, normalize: 'bytes' } })).text);
    expect(asked.request.export).toEqual({ batch: 1, softmax: false, normalize: 'bytes', opset: 17 });
    const empty = JSON.parse((await served.post(PATH, { ...LIMIT, export: {} })).text);
    expect(empty.request.export).toEqual({ softmax: false, normalize: 'none', opset: 17 });
    const plain = JSON.parse((await served.post(PATH, LIMIT)).text);
    expect(plain.request).not.toHaveProperty('export');
  });

  test.each([
    [{ opset: 12 }, '/export/opset', 'must be a whole number from 13 to 21, got 12'],
    [{ opset: 22 }, '/export/opset', 'must be a whole number from 13 to 21, got 22'],
    [{ batch: 0 }, '/export/batch', 'must be a whole number from 1 to 64, got 0'],
    [{ batch: 65 }, '/export/batch', 'must be a whole number from 1 to 64, got 65'],
    [{ batch: 'N' }, '/export/batch', 'must be a whole number from 1 to 64, got "N"'],
    [{ normalize: 'imagenet' }, '/export/normalize', 'must be one of none, unit, bytes, got "imagenet"'],
    [{ softmax: 1 }, '/export/softmax', 'must be boolean, got 1'],
    [{ precision: 'float16' }, '/export/precision', 'is not known here, known are batch, softmax, normalize, opset'],
  ])('%j is refused in one sentence', async (options, pointer, detail) => {
    const answer = await served.post(PATH, { ...LIMIT, export: options });
    expect(answer.status).toBe(400);
    const problem = JSON.parse(answer.text);
    expect(problem.errors).toEqual([{ pointer, detail }]);
    expect(problem.detail).toBe(`body ${pointer} ${detail}.`);
  });

  test('a fixed batch of several goes with no latency', async () => {
    const body = { constraints: { maxLatencyMs: 1 }, export: { batch: 2 } };
    const answer = await served.post(PATH, body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text).errors).toMatchObject([{ pointer: '/export/batch' }]);
    expect((await served.post(PATH, { ...body, export: { batch: 1 } })).status).toBe(202);
  });

  test('are part of what an idempotency key stands for', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = JSON.parse((await served.post(PATH, { ...LIMIT, export: { softmax: true } }, headers)).text);
    const again = await served.post(PATH, { ...LIMIT, export: { softmax: true } }, headers);
    expect(JSON.parse(again.text).id).toBe(first.id);
    expect((await served.post(PATH, LIMIT, headers)).status).toBe(409);
  });
});
