import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
  for (const status of ['succeeded', 'failed', 'queued', 'succeeded', 'canceled', 'running', 'succeeded'] as const)
    served.add(status);
  const { request } = served.add('queued');
  const labels = { site: 'a,b "c"', formula: '=1+1', plus: 'a=b=c' };
  served.add('queued', { request: { ...request, hardwareId: 'phone', labels }, createdAt: '2026-02-01T00:00:00.000Z' });
});
afterAll(() => served.stop());

const list = async (query: string, headers: Record<string, string> = {}) =>
  served.ask({ path: `/v1/specializations${query}`, headers });
const idsOf = async (query: string): Promise<string[]> =>
  JSON.parse((await list(query)).text).items.map((row: { id: string }) => row.id);

test('following the links gives every row once, newest first', async () => {
  const seen: string[] = [];
  for (let path: string | undefined = '?limit=2&label=target%3Dkiosk'; path !== undefined; ) {
    const answer = await list(path);
    seen.push(...JSON.parse(answer.text).items.map((row: { id: string }) => row.id));
    path = /^<\/v1\/specializations(\?[^>]*)>; rel="next"$/.exec(answer.headers.link ?? '')?.[1];
    expect(JSON.parse(answer.text).nextCursor === null).toBe(path === undefined);
  }
  expect(seen).toEqual(
    [...served.rows.values()]
      .filter((row) => row.request.labels.target)
      .map(({ id }) => id)
      .reverse(),
  );
});

test.each([
  ['?status=succeeded', 3],
  ['?hardwareId=phone', 1],
  ['?label=plus%3Da%3Db%3Dc&label=formula%3D%3D1%2B1', 1],
  ['?label=plus%3Da%3Db%3Dc&label=target%3Dkiosk', 0],
  ['?createdAfter=2026-01-15T01:00:00%2B02:00', 1],
  ['?createdBefore=2026-01-15T01:00:00Z', 8],
  ['?minTop1=0.9', 3],
  ['?minTop1=0.95', 0],
  ['?maxMacs=1999999', 0],
  ['?maxLatencyMs=0.5', 3],
  ['?archId=abc', 0],
])('%s gives %i', async (query, count) => {
  expect(await idsOf(query)).toHaveLength(count);
});

test.each([
  ...[
    '?limit=0',
    '?limit=201',
    '?limit=1e999',
    '?limit=',
    '?limit=1&limit=2',
    '?status=done',
    '?label=novalue',
    '?label=a%3D%00',
  ],
  ...[
    '?label=%3Dx',
    '?createdAfter=yesterday',
    '?createdAfter=2026-13-01T00:00:00Z',
    '?createdAfter=0000-01-01T00:00:00Z',
  ],
  ...[
    '?minTop1=-0.1',
    '?maxMacs=1.5',
    '?maxMacs=0x10',
    '?archId=..',
    '?cursor=',
    '?cursor=nonsense',
    '?zz=1',
    '?__proto__=1',
    '?status[]=queued',
  ],
])('%s is refused', async (query) => {
  const answer = await list(query);
  expect([answer.status, JSON.parse(answer.text).code]).toEqual([400, 'invalid-request']);
});

test('a table quotes what needs it, and disarms what a spreadsheet would run', async () => {
  const answer = await list('?hardwareId=phone', { Accept: 'text/csv' });
  const [head, line] = answer.text.split('\r\n');
  expect(head?.split(',')).toHaveLength(19);
  expect(line).toContain('"site=a,b ""c"" formula==1+1 plus=a=b=c"');
});
