import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, serve } from './harness.js';
import { SUPERNET } from './sample-catalog.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

const PATH = '/v1/specializations';
const LIMIT = { constraints: { maxMacs: 3_000_000 } };
const raw = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  served.ask({ method: 'POST', path: PATH, body, headers: { 'Content-Type': 'application/json', ...headers } });

describe('defaults', () => {
  test('every absent member is filled once and shown in the row', async () => {
    const answer = await served.post(PATH, LIMIT);
    const row = JSON.parse(answer.text);
    expect(row.request).toEqual({
      supernetId: 'toy',
      hardwareId: 'local-cpu',
      constraints: { maxMacs: 3_000_000, latencyStatistic: 'p50' },
      objective: 'accuracy',
      seed: 1,
      search: { evaluations: 50_000 },
      verify: { latency: 'measured' },
      labels: {},
    });
    expect(answer.headers.location).toBe(`${PATH}/${row.id}`);
    expect(served.queued).toContain(row.id);
  });

  test.each([
    [{ maxFlops: 2_000_001 }, 1_000_000],
    [{ maxFlops: 4_000_000, maxMacs: 5_000_000 }, 2_000_000],
    [{ maxFlops: 40_000_000, maxMacs: 5_000_000 }, 5_000_000],
  ])('reads %o as %i MACs', async (constraints, maxMacs) => {
    const { request } = JSON.parse((await served.post(PATH, { constraints })).text);
    expect(request.constraints).toEqual({ maxMacs, latencyStatistic: 'p50' });
  });

  test('a huge limit binds nothing and is taken', async () => {
    expect((await served.post(PATH, { constraints: { maxMacs: 1e300, maxLatencyMs: 1e308 } })).status).toBe(202);
  });

  test('hardware without a latency model takes other limits, and says nothing of a statistic', async () => {
    const { request } = JSON.parse((await served.post(PATH, { ...LIMIT, hardwareId: 'no-table' })).text);
    expect(request.constraints).toEqual({ maxMacs: 3_000_000 });
  });

  test('the supernet must be named when several are loaded, and none loaded is a 503', async () => {
    served.supernets.push({ ...SUPERNET, id: 'second' });
    const open = await served.post(PATH, LIMIT);
    served.supernets.splice(0);
    const none = await served.post(PATH, LIMIT);
    served.supernets.push(SUPERNET);
    expect(JSON.parse(open.text)).toMatchObject({ status: 400, errors: [{ pointer: '/supernetId' }] });
    expect(JSON.parse(none.text)).toMatchObject({ status: 503, code: 'bundle-invalid' });
    expect(none.headers['retry-after']).toBe('5');
  });
});

test('a supernet that was refused is answered with the reason, and listed with it', async () => {
  const refused = await served.post(PATH, { ...LIMIT, supernetId: 'broken' });
  expect(JSON.parse(refused.text)).toMatchObject({
    ...{ status: 503, code: 'bundle-invalid', detail: 'the bundle in "broken" cannot be loaded' },
  });
  const { text } = await served.ask({ path: '/v1/supernets' });
  expect(JSON.parse(text)).toMatchObject({ refused: [{ id: 'broken', problem: { code: 'bundle-invalid' } }] });
});

test('a supernet without an accuracy predictor is refused at once', async () => {
  served.supernets.push({ ...SUPERNET, id: 'mute', hasPredictor: false });
  const { text } = await served.post(PATH, { ...LIMIT, supernetId: 'mute' });
  served.supernets.pop();
  expect(JSON.parse(text)).toMatchObject({ status: 422, code: 'no-predictor' });
});

describe('refusals name the place', () => {
  test.each([
    [{}, 400, '/constraints'],
    [{ constraints: {} }, 400, '/constraints'],
    [{ constraints: { latencyStatistic: 'p50' } }, 400, '/constraints'],
    [{ constraints: { maxMacs: -5 } }, 400, '/constraints/maxMacs'],
    [{ constraints: { maxMacs: 0 } }, 400, '/constraints/maxMacs'],
    [{ constraints: { maxMacs: 1.5 } }, 400, '/constraints/maxMacs'],
    [{ constraints: { maxMacs: '5' } }, 400, '/constraints/maxMacs'],
    [{ constraints: { maxMacs: null } }, 400, '/constraints/maxMacs'],
    [{ constraints: { maxMACs: 5 } }, 400, '/constraints/maxMACs'],
    [{ constraints: { minTop1: 92 } }, 400, '/constraints/minTop1'],
    [{ ...LIMIT, seed: 2 ** 53 }, 400, '/seed'],
    [{ ...LIMIT, search: { evaluations: 999 } }, 400, '/search/evaluations'],
    [{ ...LIMIT, search: { evaluations: 1_000_001 } }, 400, '/search/evaluations'],
    [{ ...LIMIT, resolutions: [20, 21] }, 400, '/resolutions/1'],
    [{ ...LIMIT, resolutions: [20, 20] }, 400, '/resolutions'],
    [{ ...LIMIT, labels: { a: 'x\u0000y' } }, 400, '/labels/a'],
    [{ ...LIMIT, labels: { a: '\ud800' } }, 400, '/labels/a'],
    [{ ...LIMIT, labels: { 'a b': 'x' } }, 400, '/labels'],
    [{ ...LIMIT, labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ''])) }, 400, '/labels'],
    [{ ...LIMIT, supernetId: 'other' }, 404, '/supernetId'],
    [{ ...LIMIT, hardwareId: 'other' }, 404, '/hardwareId'],
    [{ constraints: { maxLatencyMs: 1, latencyStatistic: 'p99' } }, 422, '/constraints/latencyStatistic'],
    [{ hardwareId: 'no-table', constraints: { maxLatencyMs: 1 } }, 422, '/constraints/maxLatencyMs'],
  ])('%o', async (body, status, pointer) => {
    const problem = JSON.parse((await served.post(PATH, body)).text);
    expect(problem).toMatchObject({ status, instance: PATH });
    expect(problem.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
  });

  test.each([
    [{ ...LIMIT, search: { warmStart: 5 } }, 'body /search/warmStart must be boolean or array, got 5.'],
    [{ ...LIMIT, search: { warmStart: ['a'] } }, 'body /search/warmStart/0 must match format "uuid", got "a".'],
    [{ ...LIMIT, search: { warmStart: [] } }, 'body /search/warmStart must have from 1 to 4 items, got [].'],
    [{ ...LIMIT, resolutions: [] }, 'body /resolutions must have from 1 to 64 items, got [].'],
    [{ ...LIMIT, resolutions: [17] }, 'body /resolutions/0 must be searchable (20, 24), got 17.'],
    ...[0, 999, 1e12, 1500.5, '5000'].map((evaluations): [object, string] => [
      { ...LIMIT, search: { evaluations } },
      `body /search/evaluations must be a whole number from 1000 to 1000000, got ${JSON.stringify(evaluations)}.`,
    ]),
    ...[0, -1, 1e9].map((maxSeconds): [object, string] => [
      { ...LIMIT, search: { maxSeconds } },
      `body /search/maxSeconds must be a number above 0 and at most 3600, got ${maxSeconds}.`,
    ]),
    ...[0, 0.5, 1, 1.5].map((confidence): [object, string] => [
      { ...LIMIT, search: { confidence } },
      `body /search/confidence must be a number above 0.5 and below 1, got ${confidence}.`,
    ]),
    [{ constraints: { minTop1: 2 } }, 'body /constraints/minTop1 must be a number above 0 and at most 1, got 2.'],
    [{ constraints: { maxMacs: 0 } }, 'body /constraints/maxMacs must be a whole number of at least 1, got 0.'],
    [{ constraints: { maxLatencyMs: -1 } }, 'body /constraints/maxLatencyMs must be a number above 0, got -1.'],
    [
      { ...LIMIT, search: { evaluation: 5000 } },
      'body /search/evaluation is not known here, known are evaluations, maxSeconds, confidence, warmStart, fresh.',
    ],
    [
      { hardwareId: 'no-table', constraints: { maxLatencyMs: 1 } },
      'Hardware type no-table cannot give the p50 latency of toy: it has no latency model for the space toy-space; hardware types that have one: local-cpu.',
    ],
  ])('%o in one sentence', async (body, detail) => {
    expect(JSON.parse((await served.post(PATH, body)).text).detail).toBe(detail);
  });

  test('exact bounds refuse at once, with what binds and what would do', async () => {
    const problem = JSON.parse((await served.post(PATH, { constraints: { maxMacs: 5 } })).text);
    expect(problem).toMatchObject({
      code: 'infeasible-constraints',
      binding: ['maxMacs'],
      nearestFeasible: { maxMacs: 1000 },
    });
  });
});

describe('hostile bodies', () => {
  const cases: readonly (readonly [string, string | Uint8Array, number])[] = [
    ['broken JSON', '{"constraints":', 400],
    ['no body', '', 400],
    ['a bare number', '5', 400],
    ['NaN', '{"constraints":{"maxMacs":NaN}}', 400],
    ['a number beyond float64', '{"constraints":{"maxMacs":1e999}}', 400],
    ['a __proto__ member', '{"__proto__":{"maxMacs":5},"constraints":{"maxMacs":3000000}}', 400],
    ['a __proto__ label', '{"labels":{"__proto__":"x"},"constraints":{"maxMacs":3000000}}', 400],
    ['a __proto__ limit', '{"constraints":{"__proto__":{"maxMacs":3000000}}}', 400],
    ['nesting without end', '['.repeat(500_000), 400],
    ['a deep constraints member', `{"constraints":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`, 400],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), 400],
    ['ten megabytes', JSON.stringify({ labels: 'x'.repeat(10_000_000) }), 413],
  ];
  test.each(cases)('%s', async (_, body, status) => {
    const answer = await raw(body);
    expect(answer.status, answer.text.slice(0, 300)).toBe(status);
    expect(answer.headers['content-type']).toContain('application/problem+json');
  });

  test.each([
    { 'Content-Type': 'text/plain' },
    { 'Content-Type': 'application/json; charset=latin1' },
    { 'Content-Encoding': 'gzip' },
  ])('%o is not read', async (headers) => {
    expect((await raw(JSON.stringify(LIMIT), headers)).status).toBe(415);
  });

  test('many distinct media types leave nothing behind that would grow', async () => {
    const statuses = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        raw(JSON.stringify(LIMIT), { 'Content-Type': `application/json; v=${index}` }),
      ),
    );
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([202]));
  });
});

describe('an idempotency key', () => {
  test('gives the first row again, and queues it once', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = await served.post(PATH, { ...LIMIT, seed: 3 }, headers);
    const again = await raw('{"seed":3,  "constraints":{"maxMacs":3000000}}', headers);
    expect([again.status, again.text]).toEqual([202, first.text]);
    const { id } = JSON.parse(first.text);
    expect(served.queued.filter((each) => each === id)).toHaveLength(1);
  });

  test('gives it again when the request would be refused by now, and a conflict before anything else', async () => {
    const headers = { 'Idempotency-Key': randomUUID() };
    const first = await served.post(PATH, LIMIT, headers);
    served.supernets.splice(0);
    const [again, other] = [
      await served.post(PATH, LIMIT, headers),
      await served.post(PATH, { ...LIMIT, seed: 2 }, headers),
    ];
    served.supernets.push(SUPERNET);
    expect([again.status, again.text]).toEqual([202, first.text]);
    expect(other.status).toBe(409);
  });

  test('must be short and visible', async () => {
    const answer = await served.post(PATH, LIMIT, { 'Idempotency-Key': 'k'.repeat(256) });
    expect(JSON.parse(answer.text)).toMatchObject({ status: 400, errors: [{ pointer: 'Idempotency-Key' }] });
  });
});

describe('waiting and queueing', () => {
  test('a wait that ends first is a 202 with the row as it is then', async () => {
    const answer = await served.post(PATH, LIMIT, { Prefer: 'wait=0' });
    expect([answer.status, answer.headers['preference-applied']]).toEqual([202, 'wait=0']);
  });

  test('a queue that is away loses nothing: the row is stored and answered', async () => {
    served.faults.queue = true;
    const answer = await served.post(PATH, LIMIT);
    served.faults.queue = false;
    const { id } = JSON.parse(answer.text);
    expect(answer.status).toBe(202);
    expect(served.rows.has(id)).toBe(true);
    const line = served.logLines
      .map((text) => JSON.parse(text))
      .find((each) => each.specializationId === id && each.level === 40);
    expect(line.requestId).toBe(answer.headers['x-request-id']);
  });
});

describe('estimates', () => {
  const arch = { spaceId: 'toy-space', kernelSizes: [3], expandRatios: [3], depths: [1], resolution: 20 };

  test('come in the order asked, with no verdict where no limit was given', async () => {
    const archs = [arch, { ...arch, resolution: 24 }];
    const { candidates, feasibility } = JSON.parse((await served.post('/v1/estimates', { archs })).text);
    expect(candidates.map((each: { arch: { resolution: number } }) => each.arch.resolution)).toEqual([20, 24]);
    expect(feasibility).toBeNull();
  });

  test('need an architecture or a limit', async () => {
    expect((await served.post('/v1/estimates', {})).status).toBe(400);
    expect((await served.post('/v1/estimates', { constraints: { latencyStatistic: 'p50' } })).status).toBe(400);
  });

  test('refuse an architecture of another space', async () => {
    const answer = await served.post('/v1/estimates', { archs: [{ ...arch, spaceId: 'other' }] });
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'arch-out-of-space',
      errors: [{ pointer: '/archs/0/spaceId' }],
    });
  });
});
