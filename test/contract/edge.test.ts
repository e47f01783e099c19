import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OPERATIONS } from './contract-oracle.js';
import { type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

/** Sends bytes as they are and gives what comes back until the server hangs up. */
function exchange(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(served.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
  });
}

describe('what is not a request for us', () => {
  test.each([
    [`GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    [`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['nonsense\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: x\r\nX-A: a\u0000b\r\n\r\n', 400],
    [
      'POST /v1/specializations HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
  ])('%j gets %i and the line is cut', async (text, status) => {
    const answer = await exchange(text);
    expect(answer.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(answer).toContain('application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status, code: 'invalid-request' });
  });

  test('the server still answers afterwards', async () => {
    expect((await served.ask({ path: '/healthz' })).status).toBe(200);
  });
});

describe('addresses and methods', () => {
  test.each([
    '/zz',
    '/v1',
    '/v1/specializations/',
    '/V1/specializations',
    '/v1/../etc/passwd',
    '/v1/models/abc',
    '//',
    '/constructor',
  ])('%s is not there', async (path) => {
    const answer = await served.ask({ path });
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([404, 'not-found']);
  });

  test.each([
    '/v1/specializations/not-a-uuid',
    '/v1/specializations/00000000-0000-0000-0000-00000000000g',
    '/v1/specializations/%00',
    '/v1/specializations/%E0%A4%A',
    '/v1/models/abc.onnx',
    `/v1/models/${'A'.repeat(64)}.onnx`,
    '/v1/supernets/..%2f..%2fetc',
    '/v1/hardware/__proto__',
  ])('%s is refused', async (path) => {
    const answer = await served.ask({ path });
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([400, 'invalid-request']);
  });

  const paths = [...new Set(OPERATIONS.map(({ path }) => path))];
  test.each(paths)('%s names its methods when it is given another', async (path) => {
    const answer = await served.ask({ method: 'PATCH', path: path.replace(/\{\w+\}/g, 'x') });
    const methods = OPERATIONS.filter((each) => each.path === path).map(({ method }) => method);
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([405, 'method-not-allowed']);
    for (const method of methods) expect(answer.headers.allow?.split(', ')).toContain(method);
  });
});

describe('request ids', () => {
  test("a client's own is kept, in the header, the problem and the log", async () => {
    const answer = await served.ask({ path: '/zz', headers: { 'X-Request-Id': 'mine-1' } });
    expect(answer.headers['x-request-id']).toBe('mine-1');
    expect(JSON.parse(answer.text).requestId).toBe('mine-1');
    await expect.poll(() => served.logLines.some((line) => JSON.parse(line).requestId === 'mine-1')).toBe(true);
  });

  test.each(['x'.repeat(65), 'a b', '<script>'])('%s is replaced', async (given) => {
    const answer = await served.ask({ path: '/healthz', headers: { 'X-Request-Id': given } });
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('every log line has one', async () => {
    await served.ask({ path: '/healthz' });
    expect(served.logLines.length).toBeGreaterThan(0);
    for (const line of served.logLines) expect(JSON.parse(line).requestId).toMatch(/./);
  });
});

describe('an unexpected failure', () => {
  test('says nothing of itself to the client, and all to the log', async () => {
    const { catalog } = served.deps;
    const estimate = catalog.estimate;
    Object.assign(catalog, { estimate: () => Promise.reject(new Error('secret at /home/me')) });
    const answer = await served.post('/v1/estimates', { constraints: { maxMacs: 5000 } });
    Object.assign(catalog, { estimate });
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([500, 'internal']);
    expect(answer.text).not.toContain('secret');
    const id = answer.headers['x-request-id'];
    expect(served.logLines.some((line) => line.includes('secret') && JSON.parse(line).requestId === id)).toBe(true);
  });
});

describe('pages', () => {
  test.each(['/', '/docs'])('%s needs no script and nothing from another host', async (path) => {
    served.add('succeeded');
    const { text, headers } = await served.ask({ path });
    expect(text).not.toMatch(/<script|(src|href)="(https?:)?\/\//i);
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  test('/docs shows every operation and schema once, and its links lead somewhere', async () => {
    const { text } = await served.ask({ path: '/docs' });
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => String(id));
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id } of OPERATIONS) expect(ids).toContain(id);
    for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  test('what comes from outside is escaped', async () => {
    const { text } = await served.ask({ path: '/' });
    expect(text).toContain('A toy &lt;supernet&gt;');
  });
});

describe('health and metrics', () => {
  test('readiness says what is missing', async () => {
    served.faults.queue = true;
    const answer = await served.ask({ path: '/readyz' });
    served.faults.queue = false;
    expect(JSON.parse(answer.text)).toEqual({ ready: false, database: true, queue: false, supernet: true });
    expect(answer.headers['retry-after']).toBe('2');
  });

  test('metrics count jobs, queue and durations by the route, not the address', async () => {
    const row = served.add('failed');
    await served.ask({ path: `/v1/specializations/${row.id}` });
    const { text } = await served.ask({ path: '/metrics' });
    expect(text).toContain(
      `bespoke_jobs{status="failed"} ${[...served.rows.values()].filter((each) => each.status === 'failed').length}`,
    );
    expect(text).toContain(`bespoke_queue_depth ${served.queued.length}`);
    expect(text).toMatch(/process_resident_memory_bytes \d+/);
    expect(text).toContain('route="/v1/specializations/:id",status="200"');
    expect(text).not.toContain(row.id);
  });

  test('metrics answer while database and queue are away', async () => {
    served.faults.database = true;
    served.faults.queue = true;
    const { status, text } = await served.ask({ path: '/metrics' });
    served.faults.database = false;
    served.faults.queue = false;
    expect(status).toBe(200);
    expect(text).toContain('bespoke_queue_depth Nan');
  });
});
