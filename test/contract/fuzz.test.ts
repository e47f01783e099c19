import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRng, type Rng } from '../../src/common/rng.js';
import { answerErrors, CONTRACT, type DocumentedOperation, OPERATIONS } from './contract-oracle.js';
import { type Asked, type Served, serve } from './harness.js';

const REQUESTS = 2400;
const AT_ONCE = 8;
/** Of the smallest kind of luck: a run that never got past validation would prove little. */
const LEAST_SUCCESSES = 300;

type Json = Readonly<Record<string, unknown>>;

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

const WRONG: readonly unknown[] = [
  ...[-1, 0, 1.5, 1e300, Number.MAX_SAFE_INTEGER + 2, -0, '', 'x', '5', '\u0000', '\ud800', null, true, false, [], {}],
  ...[
    [[[[]]]],
    { a: { b: {} } },
    'x'.repeat(5000),
    '../../etc/passwd',
    "' OR 1=1 --",
    '<script>',
    '{{7*7}}',
    'NaN',
    'Infinity',
  ],
];
const TEXTS = [
  ...[
    '',
    ' ',
    '-1',
    '0',
    '1.5',
    'NaN',
    'Infinity',
    '1e999',
    'null',
    '%00',
    '%E0%A4%A',
    '..%2f..',
    'a=b',
    '%F0%9F%98%80',
    '[]',
  ],
  ...[
    '2026-01-01T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '2026-13-45T99:99:99Z',
    'queued',
    'constructor',
    '__proto__',
    'x'.repeat(3000),
  ],
];

function refOf(schema: Json): Json {
  const name = typeof schema.$ref === 'string' ? schema.$ref.split('/').at(-1) : undefined;
  const schemas = (CONTRACT.components as { schemas: Record<string, Json> }).schemas;
  return name === undefined ? schema : (schemas[name] ?? {});
}

/** A value that keeps the schema, with a member or so that does not when `chaos` says so. */
function sampleOf(given: Json, rng: Rng, chaos: number): unknown {
  if (rng.chance(chaos)) return rng.pick(WRONG);
  const schema = refOf(given);
  if (Array.isArray(schema.enum)) return rng.pick(schema.enum);
  if (schema.type === 'array')
    return Array.from({ length: 1 + rng.int(3) }, () => sampleOf((schema.items ?? {}) as Json, rng, chaos));
  if (schema.type === 'object') return objectOf(schema, rng, chaos);
  if (schema.type === 'boolean') return rng.chance(0.5);
  if (schema.type === 'integer') return Number(schema.minimum ?? 0) + rng.int(2 ** 22);
  if (schema.type === 'number') return rng.next();
  return rng.pick(['toy', 'local-cpu', 'toy-space', 'kiosk']);
}

function objectOf(schema: Json, rng: Rng, chaos: number): Json {
  const required = (schema.required ?? []) as readonly string[];
  const members = Object.entries((schema.properties ?? {}) as Record<string, Json>)
    .filter(([name]) => (required.includes(name) ? !rng.chance(chaos / 2) : rng.chance(0.4)))
    .map(([name, member]) => [name, sampleOf(member, rng, chaos)]);
  const extra = rng.chance(chaos / 4) ? [[rng.pick(['__proto__', 'constructor', 'zz', '']), rng.pick(WRONG)]] : [];
  const pairs =
    schema.propertyNames === undefined ? [] : [[rng.pick(['target', 'a/b', '__proto__', 'A'.repeat(70)]), 'v']];
  return Object.fromEntries([...members, ...extra, ...pairs]);
}

/** A body as text; now and then not JSON at all. JSON.stringify alone would drop `__proto__`'s own meaning, so it is spelled. */
function bodyOf(operation: DocumentedOperation, rng: Rng): string {
  const content = (operation.raw.requestBody as { content: Record<string, { schema: Json }> }).content;
  const chaos = rng.pick([0, 0, 0.05, 0.3]);
  const text = JSON.stringify(sampleOf(content['application/json']?.schema ?? {}, rng, chaos)) ?? '';
  if (rng.chance(0.05)) return text.slice(0, rng.int(text.length + 1));
  if (rng.chance(0.03))
    return rng.pick([
      '',
      '{',
      'NaN',
      '[1e999]',
      '\u0000',
      '"\\ud800"',
      '{"constraints":{"maxMacs":1e999}}',
      '['.repeat(20_000),
    ]);
  return text;
}

function pathOf(operation: DocumentedOperation, rng: Rng): string {
  const finished = [...served.rows.values()].filter(({ status }) => status !== 'queued' && status !== 'running');
  const any = operation.path.endsWith('/events') ? finished : [...served.rows.values()];
  const good: Readonly<Record<string, () => string>> = {
    id: () => (any.length === 0 ? randomUUID() : rng.pick(any).id),
    sha256: () => [...served.models.keys()][0] ?? '',
    supernetId: () => 'toy',
    hardwareId: () => 'local-cpu',
  };
  return operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    rng.chance(0.25) ? rng.pick([...TEXTS, randomUUID()].map(safe)) : (good[name]?.() ?? name),
  );
}

/** Node's client refuses raw blanks in a path; everything else goes out as it is. */
const safe = (text: string): string => text.replace(/[^!-~]/g, encodeURIComponent);

function queryOf(operation: DocumentedOperation, rng: Rng): string {
  const parameters = (operation.raw.parameters ?? []) as readonly Json[];
  const pairs = parameters
    .filter((parameter) => parameter.in === 'query' && rng.chance(0.2))
    .flatMap(({ name, schema }) => {
      const value = rng.chance(0.3)
        ? safe(rng.pick(TEXTS))
        : encodeURIComponent(String(sampleOf(schema as Json, rng, 0)));
      return Array.from({ length: rng.chance(0.1) ? 2 : 1 }, () => `${name}=${value}`);
    });
  if (rng.chance(0.03)) pairs.push(`${safe(rng.pick(TEXTS))}=1`);
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function headersOf(operation: DocumentedOperation, rng: Rng): Record<string, string> {
  const headers: Record<string, string> = {};
  if (operation.raw.requestBody !== undefined || rng.chance(0.05))
    headers['Content-Type'] = rng.chance(0.93)
      ? 'application/json'
      : rng.pick(['text/plain', 'application/json; charset=latin1', 'x', 'application/jsonp']);
  if (rng.chance(0.25))
    headers.Accept = rng.pick([
      '*/*',
      'text/html',
      'text/csv',
      'image/svg+xml',
      'application/json',
      ',,;;q=x',
      'a'.repeat(3000),
    ]);
  if (rng.chance(0.15))
    headers.Range = rng.pick([
      'bytes=0-0',
      'bytes=-5',
      'bytes=99999999-',
      'bytes=5-2',
      'bytes=0-1,3-4',
      'bits=1-2',
      'bytes=',
    ]);
  if (rng.chance(0.1)) headers['If-None-Match'] = rng.pick(['*', '"x"', 'W/"y"', ',']);
  if (rng.chance(0.1)) headers['Idempotency-Key'] = rng.pick(['k1', 'k2', 'has blank', 'k'.repeat(300)]);
  if (rng.chance(0.1))
    headers.Prefer = rng.pick(['wait=0', 'wait=-1', 'wait=x', 'respond-async', 'wait', 'x'.repeat(300)]);
  if (rng.chance(0.1)) headers['Last-Event-ID'] = rng.pick(['1.succeeded.0.1000', '', 'x'.repeat(200)]);
  if (rng.chance(0.02)) headers['Content-Encoding'] = 'gzip';
  return headers;
}

function nextRequest(rng: Rng): Asked {
  const operation = rng.pick(OPERATIONS);
  const asked = {
    method: rng.chance(0.04) ? rng.pick(['PUT', 'PATCH', 'OPTIONS', 'DELETE']) : operation.method,
    path: pathOf(operation, rng) + queryOf(operation, rng),
    headers: headersOf(operation, rng),
  };
  return operation.raw.requestBody === undefined ? asked : { ...asked, body: bodyOf(operation, rng) };
}

/** The operation that a request really reaches, by the contract's paths alone; a wrong method or path: none. */
function reached({ method = 'GET', path }: Asked): DocumentedOperation | undefined {
  const plain = path.split('?')[0] ?? '';
  return OPERATIONS.find(
    (each) =>
      each.method === method &&
      new RegExp(`^${each.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(plain),
  );
}

test('no request gives a 5xx or an answer that the contract does not document', { timeout: 120_000 }, async () => {
  const seed = 20_260_101;
  const rng = makeRng(seed);
  for (const status of ['succeeded', 'succeeded', 'failed', 'canceled', 'queued', 'running'] as const)
    served.add(status);
  const counts = new Map<number, number>();
  for (let index = 0; index < REQUESTS; index += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, (_, offset) => nextRequest(rng.fork(index + offset)));
    const answers = await Promise.all(batch.map((asked) => served.ask(asked)));
    answers.forEach((answer, offset) => {
      const asked = batch[offset] ?? { path: '' };
      const wrong = answerErrors(reached(asked), answer);
      const place = `seed ${seed}, request ${index + offset}: ${JSON.stringify(asked).slice(0, 600)}`;
      const shown = `${place} -> ${answer.status} ${answer.text.slice(0, 600)}`;
      expect(wrong, shown).toEqual([]);
      expect(answer.status, shown).toBeLessThan(500);
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    });
  }
  const successes = [...counts].filter(([status]) => status < 300).reduce((sum, [, count]) => sum + count, 0);
  expect(successes, JSON.stringify([...counts])).toBeGreaterThan(LEAST_SUCCESSES);
  for (const status of [200, 202, 400, 404, 405, 406, 415, 416])
    expect(counts.has(status), `no ${status} was met`).toBe(true);
});
