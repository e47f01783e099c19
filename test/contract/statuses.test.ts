import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventId } from '../../src/api/events.js';
import { answerErrors, OPERATIONS } from './contract-oracle.js';
import { type Answer, type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

type Case = readonly [operationId: string, status: number, run: () => Promise<Answer>];

const UNKNOWN = randomUUID();
const NO_SHA = '0'.repeat(64);
const LIMIT = { constraints: { maxMacs: 3_000_000 } };
const sha = (): string => String([...served.models.keys()][0]);
const get = (path: string, headers: Record<string, string> = {}) => served.ask({ path, headers });
const row = (...given: Parameters<Served['add']>): string => `/v1/specializations/${served.add(...given).id}`;
const arch = { spaceId: 'toy-space', kernelSizes: [3], expandRatios: [3], depths: [1], resolution: 20 };

/** An address of an operation that answers well, so that one wrong thing can be added to it. */
function goodPath(path: string): string {
  const id = served.add(path.endsWith('cancel') ? 'queued' : 'succeeded').id;
  const names: Readonly<Record<string, string>> = { id, sha256: sha(), supernetId: 'toy', hardwareId: 'local-cpu' };
  return path.replace(/\{(\w+)\}/g, (_, name: string) => names[name] ?? name);
}

function askGood(
  operation: (typeof OPERATIONS)[number],
  suffix: string,
  headers: Record<string, string>,
): Promise<Answer> {
  const { method, path } = operation;
  const body = operation.raw.requestBody === undefined ? undefined : JSON.stringify(LIMIT);
  const type: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const asked = { method, path: `${goodPath(path)}${suffix}`, headers: { ...type, ...headers } };
  return served.ask(body === undefined ? asked : { ...asked, body });
}

async function withFault(fault: 'database' | 'queue', run: () => Promise<Answer>): Promise<Answer> {
  served.faults[fault] = true;
  try {
    return await run();
  } finally {
    served.faults[fault] = false;
  }
}

/** What every operation has in common: an unknown query parameter, an Accept that nothing meets, a database that is away. */
const common: readonly Case[] = OPERATIONS.flatMap((operation): Case[] =>
  operation.statuses.flatMap((status): Case[] => {
    if (status === '400') return [[operation.id, 400, () => askGood(operation, '?nonsense=1', {})]];
    if (status === '406') return [[operation.id, 406, () => askGood(operation, '', { Accept: 'video/mp4' })]];
    if (status !== '503') return [];
    return [[operation.id, 503, () => withFault('database', () => askGood(operation, '', {}))]];
  }),
);

const lists: readonly Case[] = [
  ['home', 200, () => get('/')],
  ['listSpecializations', 200, () => get('/v1/specializations?limit=5')],
  ['listSupernets', 200, () => get('/v1/supernets')],
  ['getSupernet', 200, () => get('/v1/supernets/toy')],
  ['getSupernet', 404, () => get('/v1/supernets/other')],
  ['listHardware', 200, () => get('/v1/hardware')],
  ['getHardware', 200, () => get('/v1/hardware/local-cpu')],
  ['getHardware', 404, () => get('/v1/hardware/other')],
  ['healthz', 200, () => get('/healthz')],
  ['readyz', 200, () => get('/readyz')],
  ['metrics', 200, () => get('/metrics')],
  ['contract', 200, () => get('/openapi.yaml')],
  ['docs', 200, () => get('/docs')],
];

const created: readonly Case[] = [
  ['createSpecialization', 202, () => served.post('/v1/specializations', { ...LIMIT, search: { fresh: true } })], // no stored answer
  ['createSpecialization', 200, createAndWait],
  ['createSpecialization', 404, () => served.post('/v1/specializations', { ...LIMIT, hardwareId: 'other' })],
  ['createSpecialization', 409, reuseKey],
  ['createSpecialization', 413, () => served.post('/v1/specializations', { labels: 'x'.repeat(1_100_000) })],
  ['createSpecialization', 415, () => served.post('/v1/specializations', LIMIT, { 'Content-Type': 'text/plain' })],
  ['createSpecialization', 422, () => served.post('/v1/specializations', { constraints: { maxMacs: 5 } })],
  ['createEstimate', 200, () => served.post('/v1/estimates', { archs: [arch], constraints: { maxMacs: 5 } })],
  ['createEstimate', 404, () => served.post('/v1/estimates', { archs: [arch], supernetId: 'other' })],
  ['createEstimate', 413, () => served.post('/v1/estimates', { archs: 'x'.repeat(1_100_000) })],
  ['createEstimate', 415, () => served.post('/v1/estimates', LIMIT, { 'Content-Type': 'text/plain' })],
  ['createEstimate', 422, () => served.post('/v1/estimates', { archs: [{ ...arch, resolution: 21 }] })],
];

async function createAndWait(): Promise<Answer> {
  const before = new Set(served.rows.keys());
  const answer = served.post('/v1/specializations', LIMIT, { Prefer: 'respond-async, wait=20' });
  for (let turns = 0; turns < 10_000; turns++) {
    const fresh = [...served.rows.keys()].find((id) => !before.has(id));
    if (fresh !== undefined) {
      served.succeed(fresh);
      break;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return answer;
}

async function reuseKey(): Promise<Answer> {
  const key = { 'Idempotency-Key': randomUUID() };
  await served.post('/v1/specializations', LIMIT, key);
  return served.post('/v1/specializations', { constraints: { maxMacs: 9_000_000 } }, key);
}

async function revalidate(path: string): Promise<Answer> {
  const { headers } = await get(path);
  return get(path, { 'If-None-Match': String(headers.etag) });
}

const single: readonly Case[] = [
  ['getSpecialization', 200, () => get(row('running', { stage: 'searching', progress: 0.25, attempt: 1 }))],
  ['getSpecialization', 304, () => revalidate(row('succeeded'))],
  ['getSpecialization', 404, () => get(`/v1/specializations/${UNKNOWN}`)],
  ['deleteSpecialization', 204, () => served.ask({ method: 'DELETE', path: row('failed') })],
  ['deleteSpecialization', 404, () => served.ask({ method: 'DELETE', path: `/v1/specializations/${UNKNOWN}` })],
  ['deleteSpecialization', 409, () => served.ask({ method: 'DELETE', path: row('running') })],
  ['cancelSpecialization', 200, () => served.ask({ method: 'POST', path: `${row('queued')}/cancel` })],
  ['cancelSpecialization', 404, () => served.ask({ method: 'POST', path: `/v1/specializations/${UNKNOWN}/cancel` })],
  ['getReport', 200, () => get(`${row('succeeded')}/report`)],
  ['getReport', 304, () => revalidate(`${row('succeeded')}/report`)],
  ['getReport', 404, () => get(`/v1/specializations/${UNKNOWN}/report`)],
  ['getReport', 409, () => get(`${row('queued')}/report`)],
  ['getFront', 200, () => get(`${row('succeeded')}/front`)],
  ['getFront', 404, () => get(`/v1/specializations/${UNKNOWN}/front`)],
  ['getFront', 409, () => get(`${row('failed')}/front`)],
  ['getSpecializationModel', 303, () => get(`${row('succeeded')}/model.onnx`)],
  ['getSpecializationModel', 404, () => get(`/v1/specializations/${UNKNOWN}/model.onnx`)],
  ['getSpecializationModel', 409, () => get(`${row('canceled')}/model.onnx`)],
  ['streamSpecializationEvents', 200, () => get(`${row('succeeded')}/events`)],
  ['streamSpecializationEvents', 204, streamSeen],
  ['streamSpecializationEvents', 404, () => get(`/v1/specializations/${UNKNOWN}/events`)],
  ['streamSpecializationEvents', 429, streamTooMany],
];

async function streamSeen(): Promise<Answer> {
  const finished = served.add('succeeded');
  return get(`/v1/specializations/${finished.id}/events`, { 'Last-Event-ID': eventId(finished) });
}

async function streamTooMany(): Promise<Answer> {
  const running = served.add('running', { stage: 'searching' });
  const path = `/v1/specializations/${running.id}/events`;
  const streams = await Promise.all(Array.from({ length: 100 }, () => fetch(`${served.url}${path}`)));
  const answer = await get(path);
  served.succeed(running.id);
  await Promise.all(streams.map((stream) => stream.text()));
  return answer;
}

const models: readonly Case[] = (['GET', 'HEAD'] as const).flatMap((method): Case[] => {
  const id = method === 'GET' ? 'getModel' : 'headModel';
  const ask = (name: string, headers = {}) => served.ask({ method, path: `/v1/models/${name}.onnx`, headers });
  const both: readonly Case[] = [
    [id, 200, () => ask(sha())],
    [id, 304, () => ask(sha(), { 'If-None-Match': `"${sha()}"` })],
    [id, 404, () => ask(NO_SHA)],
  ];
  if (method === 'HEAD') return [...both];
  return [
    ...both,
    [id, 206, () => ask(sha(), { Range: 'bytes=10-19' })],
    [id, 416, () => ask(sha(), { Range: 'bytes=25000-' })],
  ];
});

const cases: readonly Case[] = [...common, ...lists, ...created, ...single, ...models];

describe('every documented status of every operation', () => {
  test.each(cases)('%s answers %i as documented', async (operationId, status, run) => {
    const answer = await run();
    const operation = OPERATIONS.find(({ id }) => id === operationId);
    expect(answer.status, answer.text.slice(0, 500)).toBe(status);
    expect(answerErrors(operation, answer)).toEqual([]);
  });

  test('the cases above are all that is documented', () => {
    const documented = OPERATIONS.flatMap(({ id, statuses }) => statuses.map((status) => `${id} ${status}`));
    expect([...new Set(cases.map(([id, status]) => `${id} ${status}`))].sort()).toEqual(documented.sort());
  });
});
