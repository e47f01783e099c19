import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Served, serve } from './harness.js';

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served.stop());

interface SentEvent {
  readonly id: string;
  readonly name: string;
  readonly data: { readonly status: string; readonly progress: number };
}

function eventsIn(text: string): SentEvent[] {
  return [...text.matchAll(/id: (.*)\nevent: (.*)\ndata: (.*)\n\n/g)].map(([, id = '', name = '', data = '{}']) => ({
    id,
    name,
    data: JSON.parse(data),
  }));
}

/** Reads a stream and calls `onText` with all that came so far. */
async function follow(
  id: string,
  onText: (text: string) => void,
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await fetch(`${served.url}/v1/specializations/${id}/events`, { headers });
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += new TextDecoder().decode(chunk as Uint8Array);
    onText(text);
  }
  return text;
}

test('a stream tells each change once and ends with the last', async () => {
  const { id } = served.add('queued');
  const change = (changes: object): void => {
    const row = served.rows.get(id);
    if (row !== undefined) served.rows.set(id, { ...row, ...changes });
  };
  const steps = [
    () => change({ status: 'running', stage: 'searching', attempt: 1 }),
    () => change({ progress: 0.5 }),
    () => change({ stage: 'verifying', progress: 0.9 }),
    () => served.succeed(id),
  ];
  const text = await follow(id, (soFar) => {
    if (eventsIn(soFar).length > 4 - steps.length) steps.shift()?.();
  });
  expect(eventsIn(text).map(({ name, data }) => [name, data.progress])).toEqual([
    ['queued', 0],
    ['progress', 0],
    ['progress', 0.5],
    ['progress', 0.9],
    ['succeeded', 1],
  ]);
});

test('a cancel is told at once, and then the end', async () => {
  const slow = await serve({ pollMs: 600_000 });
  try {
    const { id } = slow.add('running', { stage: 'searching', progress: 0.25, attempt: 1 });
    const answer = await fetch(`${slow.url}/v1/specializations/${id}/events`);
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += new TextDecoder().decode(chunk as Uint8Array);
      if (eventsIn(text).length === 1) await slow.post(`/v1/specializations/${id}/cancel`, undefined);
      const row = slow.rows.get(id);
      // What the worker writes, once the stream has told that it is being stopped.
      if (eventsIn(text).length === 2 && row !== undefined) slow.rows.set(id, { ...row, status: 'canceled' });
    }
    expect(eventsIn(text).map(({ id: eventId, name }) => [eventId, name])).toEqual([
      ['1.running.1.250', 'progress'],
      ['1.running.1.250.cancel', 'progress'],
      ['1.canceled.1.250', 'canceled'],
    ]);
  } finally {
    await slow.stop();
  }
});

test('coming back with the last id repeats nothing', async () => {
  const { id } = served.add('running', { stage: 'searching', progress: 0.25, attempt: 1 });
  const headers = { 'Last-Event-ID': '1.running.1.250' };
  const text = await follow(id, (soFar) => soFar.includes('retry') && served.succeed(id), headers);
  expect(eventsIn(text).map(({ name }) => name)).toEqual(['succeeded']);
});

test('a silent stream has a heartbeat, and ends when its row is removed', async () => {
  const { id } = served.add('queued');
  const text = await follow(id, (soFar) => soFar.includes(': still here') && served.rows.delete(id));
  expect(text).toContain(': still here\n\n');
});

test('a client that leaves ends the stream on the server too', async () => {
  const { id } = served.add('queued');
  const leave = new AbortController();
  const answer = await fetch(`${served.url}/v1/specializations/${id}/events`, { signal: leave.signal });
  leave.abort();
  await expect(answer.text()).rejects.toThrow();
  const requestId = answer.headers.get('x-request-id');
  await expect
    .poll(() => served.logLines.some((line) => line.includes(String(requestId)) && line.includes('answered')))
    .toBe(true);
});

test('HEAD of a stream does not hang', async () => {
  const { id } = served.add('queued');
  expect((await served.ask({ method: 'HEAD', path: `/v1/specializations/${id}/events` })).status).toBe(200);
});

test('a stream tells the front so far, each growth once, without an id of its own', async () => {
  const { id } = served.add('queued');
  const change = (changes: object): void => {
    const row = served.rows.get(id);
    if (row !== undefined) served.rows.set(id, { ...row, ...changes });
  };
  const front = (evaluations: number): void => {
    served.fronts.set(id, { evaluations, axis: 'macs', points: [{ predictedTop1: 0.9, macs: evaluations }] });
  };
  const steps = [
    () => {
      front(1000);
      change({ status: 'running', stage: 'searching', attempt: 1, progress: 0.1 });
    },
    () => change({ progress: 0.15 }), // the same front
    () => {
      front(2000);
      change({ progress: 0.2 });
    },
    () => change({ stage: 'verifying', progress: 0.9 }), // the search is over
    () => served.succeed(id),
  ];
  const text = await follow(id, (soFar) => {
    if (eventsIn(soFar).length > 5 - steps.length) steps.shift()?.();
  });
  const fronts = [...text.matchAll(/\n\nevent: front\ndata: (.*)\n\n/g)].map(([, data = '{}']) => JSON.parse(data));
  expect(fronts).toEqual([
    { evaluations: 1000, axis: 'macs', points: [{ predictedTop1: 0.9, macs: 1000 }] },
    { evaluations: 2000, axis: 'macs', points: [{ predictedTop1: 0.9, macs: 2000 }] },
  ]);
  expect(eventsIn(text).map(({ name }) => name)).toEqual(['queued', ...new Array(4).fill('progress'), 'succeeded']);
});
