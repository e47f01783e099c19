import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

const get = (path: string, headers: Record<string, string> = {}) => served.ask({ path, headers });

describe('the bytes of a model', () => {
  const model = (): readonly [string, Uint8Array] => [...served.models][0] ?? ['', new Uint8Array()];

  test('are whole, hashed and cacheable for ever', async () => {
    const [sha, bytes] = model();
    const answer = await get(`/v1/models/${sha}.onnx`);
    expect(answer.bytes.equals(bytes)).toBe(true);
    expect(createHash('sha256').update(answer.bytes).digest('base64')).toBe(
      answer.headers['repr-digest']?.slice('sha-256=:'.length, -1),
    );
    expect(answer.headers).toMatchObject({ etag: `"${sha}"`, 'accept-ranges': 'bytes', 'content-length': '25000' });
    expect(answer.headers['cache-control']).toContain('immutable');
    expect(answer.headers['content-disposition']).toMatch(/^attachment; filename="[0-9a-f]{16}\.onnx"$/);
  });

  test.each([
    ['bytes=0-0', 0, 1],
    ['bytes=10-19', 10, 20],
    ['bytes=9990-20010', 9990, 20_011],
    ['bytes=24999-', 24_999, 25_000],
    ['bytes=24990-99999999', 24_990, 25_000],
    ['bytes=-7', 24_993, 25_000],
    ['bytes=-99999', 0, 25_000],
  ])('come in part for %s', async (range, start, end) => {
    const [sha, bytes] = model();
    const answer = await get(`/v1/models/${sha}.onnx`, { Range: range });
    expect(answer.status).toBe(206);
    expect(answer.headers['content-range']).toBe(`bytes ${start}-${end - 1}/25000`);
    expect(answer.bytes.equals(bytes.slice(start, end))).toBe(true);
  });

  test.each(['bytes=5-2', 'bytes=0-1,3-4', 'items=0-1', 'bytes=', 'bytes=-', 'nonsense'])(
    'come whole for %s',
    async (range) => {
      const answer = await get(`/v1/models/${model()[0]}.onnx`, { Range: range });
      expect([answer.status, answer.bytes.length]).toEqual([200, 25_000]);
    },
  );

  test.each(['bytes=25000-', 'bytes=99999-100000', 'bytes=-0'])('do not come for %s', async (range) => {
    const answer = await get(`/v1/models/${model()[0]}.onnx`, { Range: range });
    expect([answer.status, answer.headers['content-range']]).toEqual([416, 'bytes */25000']);
    expect(answer.headers['repr-digest']).toBeUndefined();
  });

  test('come whole when If-Range names other bytes', async () => {
    const path = `/v1/models/${model()[0]}.onnx`;
    expect((await get(path, { Range: 'bytes=0-1', 'If-Range': '"other"' })).status).toBe(200);
    expect((await get(path, { Range: 'bytes=0-1', 'If-Range': `"${model()[0]}"` })).status).toBe(206);
  });

  test('HEAD tells their size and sends none', async () => {
    const answer = await served.ask({ method: 'HEAD', path: `/v1/models/${model()[0]}.onnx` });
    expect([answer.status, answer.headers['content-length'], answer.bytes.length]).toEqual([200, '25000', 0]);
  });

  test('a store that breaks midway cuts the connection, so nobody takes a part for the whole', async () => {
    served.faults.midStream = true;
    await expect(get(`/v1/models/${model()[0]}.onnx`)).rejects.toThrow();
    served.faults.midStream = false;
    expect((await get(`/v1/models/${model()[0]}.onnx`)).status).toBe(200);
  });
});

describe('report and front', () => {
  test('follow Accept', async () => {
    const path = `/v1/specializations/${served.add('succeeded').id}`;
    const types = async (name: string, accept: string) =>
      (await get(`${path}/${name}`, { Accept: accept })).headers['content-type']?.split(';')[0];
    const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
    expect(await types('report', '*/*')).toBe('application/json');
    expect(await types('report', browser)).toBe('text/html');
    expect(await types('front', 'application/json;q=0.1, text/csv')).toBe('text/csv');
    expect(await types('front', 'image/*')).toBe('image/svg+xml');
  });

  test('the two representations of a report have two tags', async () => {
    const path = `/v1/specializations/${served.add('succeeded').id}/report`;
    const [json, html] = [await get(path), await get(path, { Accept: 'text/html' })];
    expect(json.headers.etag).not.toBe(html.headers.etag);
    expect(json.headers.vary).toContain('Accept');
  });

  test('the front as a table has a line per candidate', async () => {
    const answer = await get(`/v1/specializations/${served.add('succeeded').id}/front`, { Accept: 'text/csv' });
    const lines = answer.text.trim().split('\r\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]?.split(',').length).toBe(lines[0]?.split(',').length);
    expect(lines[1]).toContain(',0.91,0.9,0.92,0.5,0.45,0.55,2000000,90000,25000,65536,20,1 2,3 5,3 4');
  });

  test('the model is found by its hash', async () => {
    const answer = await get(`/v1/specializations/${served.add('succeeded').id}/model.onnx`);
    expect((await get(String(answer.headers.location))).bytes.length).toBe(25_000);
  });
});

describe('canceling', () => {
  test('a queued one ends at once and leaves the queue; twice is the same', async () => {
    const { id } = served.add('queued');
    served.queued.push(id);
    const path = `/v1/specializations/${id}/cancel`;
    const [first, second] = [await served.ask({ method: 'POST', path }), await served.ask({ method: 'POST', path })];
    expect(JSON.parse(first.text).status).toBe('canceled');
    expect(second.text).toBe(first.text);
    expect(served.queued).not.toContain(id);
  });

  test('a running one is asked to stop, a finished one is left alone', async () => {
    const cancel = async (id: string) =>
      JSON.parse((await served.ask({ method: 'POST', path: `/v1/specializations/${id}/cancel` })).text);
    expect(await cancel(served.add('running').id)).toMatchObject({ status: 'running', cancelRequested: true });
    expect(await cancel(served.add('succeeded').id)).toMatchObject({ status: 'succeeded', cancelRequested: false });
  });
});

describe('a row', () => {
  test('says when to ask again while it runs, and not after', async () => {
    const running = await get(`/v1/specializations/${served.add('running').id}`);
    const finished = await get(`/v1/specializations/${served.add('failed').id}`);
    expect([running.headers['retry-after'], finished.headers['retry-after']]).toEqual(['1', undefined]);
  });

  test('changes its tag when it changes', async () => {
    const { id } = served.add('running', { progress: 0.1 });
    const before = await get(`/v1/specializations/${id}`);
    served.succeed(id);
    const after = await get(`/v1/specializations/${id}`, { 'If-None-Match': String(before.headers.etag) });
    expect(after.status).toBe(200);
  });
});
