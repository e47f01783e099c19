import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Specialization } from '../../src/client/client.js';
import { minArch } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import { bodyOf, endAll, post, type ServerProcess, startServer } from '../helpers/server-process.js';
import { saveTinyProfile, TINY_SPACE, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let scratch: string;
let server: ServerProcess;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  const options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  await Promise.all([writeTinyBundle(options.models), saveTinyProfile(options.dataDir)]);
  server = await startServer(options);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${server.url}${path}`, init);
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  return { status: response.status, type, body: type.includes('json') ? JSON.parse(text) : { text } };
}

const send = (body: string, headers: Record<string, string> = {}): Promise<Answer> =>
  ask('/v1/specializations', { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body });

/** A problem of RFC 9457 with this status and code, that names the request and leaks nothing. */
function expectProblem({ status, type, body }: Answer, expected: number, code: string): void {
  expect([status, body.code], JSON.stringify(body)).toEqual([expected, code]);
  expect(type).toMatch(/^application\/problem\+json/);
  expect(body).toMatchObject({ type: `/errors/${code}`, status: expected, requestId: expect.any(String) });
  expect(JSON.stringify(body)).not.toMatch(/node_modules|\.ts:|\bat \w+ \(/);
}

const withLimit = (name: string, literal: string): string => `{"constraints":{"${name}":${literal}}}`;
const SMALL_SEARCH = { search: { evaluations: 1000 }, verify: { latency: 'skip' as const } };

describe('a request that cannot be met or read', () => {
  it.each([
    ['a limit of zero', withLimit('maxMacs', '0'), 400, 'invalid-request'],
    ['a negative limit', withLimit('maxLatencyMs', '-0.5'), 400, 'invalid-request'],
    ['NaN', withLimit('maxLatencyMs', 'NaN'), 400, 'invalid-request'],
    ['infinity by overflow', withLimit('maxLatencyMs', '1e999'), 400, 'invalid-request'],
    ['a count that is no whole number', withLimit('maxParams', '10.5'), 400, 'invalid-request'],
    ['a number as text', withLimit('maxMacs', '"3000000"'), 400, 'invalid-request'],
    ['null for a limit', withLimit('maxMacs', 'null'), 400, 'invalid-request'],
    ['an accuracy in percent', withLimit('minTop1', '92'), 400, 'invalid-request'],
    ['an unknown limit', withLimit('maxWatts', '5'), 400, 'invalid-request'],
    ['no limit at all', '{"constraints":{}}', 400, 'invalid-request'],
    ['a list as body', '[]', 400, 'invalid-request'],
    ['null as body', 'null', 400, 'invalid-request'],
    ['an empty body', '', 400, 'invalid-request'],
    ['broken JSON', '{"constraints":', 400, 'invalid-request'],
    [
      'a resolution that the space lacks',
      '{"constraints":{"maxMacs":99999},"resolutions":[224]}',
      400,
      'invalid-request',
    ],
    [
      'a huge number of evaluations',
      '{"constraints":{"maxMacs":99999},"search":{"evaluations":1e12}}',
      400,
      'invalid-request',
    ],
    ['a seed beyond the safe integers', '{"constraints":{"maxMacs":99999},"seed":1e300}', 400, 'invalid-request'],
    [
      'a label with a null character',
      '{"constraints":{"maxMacs":99999},"labels":{"a":"\\u0000"}}',
      400,
      'invalid-request',
    ],
    ['an unknown supernet', '{"supernetId":"resnet","constraints":{"maxMacs":99999}}', 404, 'not-found'],
    ['an unknown hardware type', '{"hardwareId":"tpu","constraints":{"maxMacs":99999}}', 404, 'not-found'],
    ['a latency below the fastest', withLimit('maxLatencyMs', '1e-9'), 422, 'infeasible-constraints'],
    ['MACs below the smallest', withLimit('maxMacs', '1'), 422, 'infeasible-constraints'],
    [
      'a statistic that the model cannot give',
      '{"constraints":{"maxLatencyMs":1,"latencyStatistic":"p99"}}',
      422,
      'no-latency-data',
    ],
  ])('%s is answered with its problem', async (_, body, status, code) => {
    expectProblem(await send(body), status, code);
  });

  it('a body that is not JSON by its declaration, and a compressed one, are refused', async () => {
    expectProblem(
      await send(withLimit('maxMacs', '5'), { 'Content-Type': 'text/plain' }),
      415,
      'unsupported-media-type',
    );
    expectProblem(await send(withLimit('maxMacs', '5'), { 'Content-Encoding': 'gzip' }), 415, 'unsupported-media-type');
  });

  it('a body of 10 MB is refused unread, whether its length is told or not', async () => {
    const large = JSON.stringify({ constraints: { maxMacs: 1 }, labels: { a: 'x'.repeat(10 * 2 ** 20) } });
    expectProblem(await send(large), 413, 'payload-too-large');
    const chunked = new Blob([large]).stream();
    const init: RequestInit & { duplex: 'half' } = {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: chunked,
      duplex: 'half',
    };
    expectProblem(await ask('/v1/specializations', init), 413, 'payload-too-large');
  });

  it('deep nesting and many members are refused, not followed', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expectProblem(await send(deep), 400, 'invalid-request');
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`m${index}`, 1]));
    const { status, body } = await send(JSON.stringify({ constraints: many }));
    expect(status).toBe(400);
    expect((body.errors as unknown[]).length).toBeLessThanOrEqual(100);
  });

  it('unknown ids, paths and methods get their problems', async () => {
    const id = randomUUID();
    for (const path of ['', '/events', '/report', '/front', '/model.onnx'])
      expectProblem(await ask(`/v1/specializations/${id}${path}`), 404, 'not-found');
    expectProblem(await ask(`/v1/specializations/${id}/cancel`, { method: 'POST' }), 404, 'not-found');
    expectProblem(await ask(`/v1/specializations/${id}`, { method: 'DELETE' }), 404, 'not-found');
    expectProblem(await ask('/v1/specializations/1;DROP TABLE'), 400, 'invalid-request');
    expectProblem(await ask(`/v1/models/${'0'.repeat(64)}.onnx`), 404, 'not-found');
    expectProblem(await ask('/v1/nothing'), 404, 'not-found');
    expectProblem(await ask('/v1/specializations', { method: 'PUT' }), 405, 'method-not-allowed');
    expectProblem(await ask('/v1/specializations?limit=0'), 400, 'invalid-request');
    expectProblem(await ask('/v1/specializations?cursor=nonsense'), 400, 'invalid-request');
  });

  it('what is not HTTP is answered and hung up on', async () => {
    const { hostname, port } = new URL(server.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write('nonsense\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('a budget beyond every network', () => {
  it('is no limit: huge finite numbers are taken', async () => {
    const body = { constraints: { maxMacs: Number.MAX_SAFE_INTEGER, maxLatencyMs: 1e300 }, ...SMALL_SEARCH };
    const row = await post(server.url, body, 60);
    expect(row).toMatchObject({ status: 'succeeded', request: { constraints: body.constraints } });
  });
});

describe('the history', () => {
  it('is filtered by what was asked and what came of it, page by page, as data and as a table', async () => {
    const run = randomUUID().slice(0, 8);
    const smallest = archCosts(TINY_SPACE, minArch(TINY_SPACE)).macs;
    const rows: Specialization[] = [];
    for (const maxMacs of [smallest, 2 * smallest, 4 * smallest])
      rows.push(
        await post(
          server.url,
          { constraints: { maxMacs }, labels: { run, maxMacs: String(maxMacs) }, ...SMALL_SEARCH },
          60,
        ),
      );
    const beyond = { maxMacs: smallest, minTop1: 0.88 }; // what large networks reach, and small ones do not
    const failed = await post(server.url, { constraints: beyond, labels: { run }, ...SMALL_SEARCH }, 60);
    const idsOf = async (query: string): Promise<readonly string[]> => {
      const { body, status } = await ask(`/v1/specializations?label=run=${run}${query}`);
      expect(status).toBe(200);
      return (body.items as readonly Specialization[]).map(({ id }) => id);
    };
    const newestFirst = [failed, ...rows.toReversed()].map(({ id }) => id);
    expect(await idsOf('')).toEqual(newestFirst);
    expect(await idsOf('&status=failed')).toEqual([failed.id]);
    expect(await idsOf(`&maxMacs=${smallest}`)).toEqual([rows[0]?.id]);
    expect(await idsOf(`&label=maxMacs=${4 * smallest}`)).toEqual([rows[2]?.id]);
    expect(await idsOf(`&archId=${rows[1]?.result?.archId}`)).toContain(rows[1]?.id);
    expect(await idsOf('&minTop1=1')).toEqual([]);
    expect(await idsOf(`&createdBefore=${rows[0]?.createdAt}`)).not.toContain(failed.id);
    const first = await fetch(`${server.url}/v1/specializations?label=run=${run}&limit=3`);
    const [, next = ''] = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '') ?? [];
    const second = await ask(next);
    const seen = [
      ...(await bodyOf<{ items: readonly Specialization[] }>(first)).items,
      ...(second.body.items as Specialization[]),
    ].map(({ id }) => id);
    expect(seen).toEqual(newestFirst);
    const csv = await ask(`/v1/specializations?label=run=${run}`, { headers: { Accept: 'text/csv' } });
    expect(String(csv.body.text).trim().split(/\r?\n/)).toHaveLength(newestFirst.length + 1);
  });

  it('has one row for one idempotency key, and lets go of a model with its last row', async () => {
    const body = JSON.stringify({ constraints: { maxParams: 6000 }, ...SMALL_SEARCH });
    const headers = { 'Idempotency-Key': randomUUID(), Prefer: 'wait=60' };
    const [first, second] = await Promise.all([send(body, headers), send(body, headers)]);
    expect(first.body.id).toBe(second.body.id);
    const other = JSON.stringify({ constraints: { maxParams: 6001 }, ...SMALL_SEARCH });
    expectProblem(await send(other, headers), 409, 'conflict');

    const twin = await post(server.url, { constraints: { maxParams: 6000 }, seed: 1, ...SMALL_SEARCH }, 60);
    const path = `/v1/models/${twin.result?.artifact.sha256}.onnx`;
    const remove = (id: unknown): Promise<Answer> => ask(`/v1/specializations/${id}`, { method: 'DELETE' });
    expect((await remove(first.body.id)).status).toBe(204);
    expect((await ask(path)).status).toBe(200);
    expect((await remove(twin.id)).status).toBe(204);
    expectProblem(await ask(path), 404, 'not-found');
    expectProblem(await remove(twin.id), 404, 'not-found');
  });
});

describe('the service', () => {
  it('answers on every page, and says what it serves', async () => {
    for (const path of ['/', '/docs', '/openapi.yaml', '/metrics', '/healthz'])
      expect((await ask(path)).status).toBe(200);
    expect((await ask('/readyz')).body).toEqual({ ready: true, database: true, queue: true, supernet: true });
    // Per stage the sum over its depths of (3 kernels x 3 ratios) to the power of the depth.
    const stages = TINY_SPACE.stages.map(({ depths }) => depths.reduce((sum, depth) => sum + 9 ** depth, 0));
    const { body } = await ask('/v1/supernets/tiny');
    expect(body.subnetCount).toBe(String(stages.reduce((product, count) => product * count, 1)));
    expect(body.resolutions).toEqual([8, 12]);
    expect((await ask('/v1/hardware/local-cpu')).body).toMatchObject({ id: 'local-cpu', isHere: true });
  });
});

describe('equal requests that are sent at once', () => {
  it('are searched for once; whoever wants a search of its own has one', async () => {
    const body = { ...SMALL_SEARCH, constraints: { maxMacs: 70_000 } };
    const fresh = { ...body, search: { ...body.search, fresh: true } };
    const rows = await Promise.all([body, body, body, fresh].map((each) => post(server.url, each, 60)));
    const [own, answered] = [rows.slice(0, 3).filter((row) => row.storedAnswerOf === null), rows.slice(0, 3)];
    expect(rows.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
    expect(rows[3]).toMatchObject({ storedAnswerOf: null, attempt: 1 });
    // The fresh one may have been the first to be searched for.
    expect(own.length).toBeLessThanOrEqual(1);
    const sources = [...own, rows[3]].map((row) => row?.id);
    for (const row of answered.filter((each) => !own.includes(each))) {
      expect(sources).toContain(row.storedAnswerOf);
      expect(row.result).toEqual(rows.find(({ id }) => id === row.storedAnswerOf)?.result);
    }
  });
});
