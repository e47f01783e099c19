import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Specialization } from '../../src/client/client.js';
import { specialize, type Workbench } from '../../src/specialize/specialize.js';
import { STAGES, type Stage } from '../../src/specialize/types.js';
import { openWorkbench } from '../../src/workbenches.js';
import {
  bodyOf,
  endAll,
  finished,
  get,
  post,
  type ServerProcess,
  startServer,
  until,
} from '../helpers/server-process.js';
import { saveTinyProfile, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let scratch: string;
let server: ServerProcess;

/** A search longer than any test; with many images, calibration and verification take a second or so each. */
const LONG = { constraints: { maxMacs: 60_000 }, search: { evaluations: 1_000_000, maxSeconds: 600 } };
const SHORT = { constraints: { maxMacs: 60_000 }, search: { evaluations: 1000 } };

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  const options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  const images = { calibrationImages: 40_000, verificationImages: 40_000 };
  await Promise.all([writeTinyBundle(options.models, images), saveTinyProfile(options.dataDir)]);
  server = await startServer(options);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

async function cancel(id: string): Promise<Specialization> {
  const response = await fetch(`${server.url}/v1/specializations/${id}/cancel`, { method: 'POST' });
  expect(response.status).toBe(200);
  return bodyOf(response);
}

describe('a running job', () => {
  it.each([
    ['searching', LONG],
    ['calibrating', SHORT],
    ['verifying', SHORT],
  ] as const)('is canceled while %s, once and for all', async (stage, body) => {
    const { id } = await post(server.url, body);
    await until(`the job is ${stage}`, async () => {
      const row = await get(server.url, id);
      if (row.finishedAt !== null) throw new Error(`it is ${row.status} already`);
      return row.stage === stage;
    });
    for (let times = 0; times < 2; times++) expect(await cancel(id)).toMatchObject({ id, cancelRequested: true });
    const row = await finished(server.url, id);
    expect(row).toMatchObject({ status: 'canceled', stage: null, result: null, problem: null, attempt: 1 });
    expect(await cancel(id)).toEqual(row);
    const model = await fetch(`${server.url}/v1/specializations/${id}/model.onnx`);
    expect(model.status).toBe(409);
  });
});

describe('a waiting job', () => {
  it('is canceled at once, never runs, and does not hold up the next one', async () => {
    const running = await post(server.url, LONG);
    const waiting = await post(server.url, { ...LONG, seed: 2 });
    const next = await post(server.url, { ...SHORT, verify: { latency: 'skip' } });
    expect(await cancel(waiting.id)).toMatchObject({ status: 'canceled', attempt: 0, startedAt: null });
    expect((await cancel(waiting.id)).status).toBe('canceled');
    await cancel(running.id);
    expect((await finished(server.url, running.id)).status).toBe('canceled');
    expect((await finished(server.url, next.id)).status).toBe('succeeded');
    expect(await get(server.url, waiting.id)).toMatchObject({ status: 'canceled', attempt: 0 });
  });
});

describe('a finished job', () => {
  it('stays what it is when it is canceled', async () => {
    const row = await post(server.url, { ...SHORT, verify: { latency: 'skip' } }, 60);
    expect(await cancel(row.id)).toEqual(row);
  });
});

describe('the main job itself', () => {
  let bench: Workbench;
  beforeAll(async () => {
    const dir = await writeTinyBundle(join(scratch, 'small'));
    bench = await openWorkbench(dir, { dataDir: join(scratch, 'data'), onProgress: () => {}, onProfiled: () => {} });
  });

  const run = (stop: Stage | undefined, pause?: (stage: Stage | undefined) => void) => {
    const controller = new AbortController();
    const seen: Stage[] = [];
    const work = specialize(
      bench,
      {
        id: 'a',
        attempt: 1,
        createdAt: '2026-01-01T00:00:00.000Z',
        request: {
          supernetId: 'tiny',
          hardwareId: 'local-cpu',
          constraints: { maxMacs: 60_000 },
          objective: 'accuracy',
          seed: 1,
          search: { evaluations: 1000 },
          verify: { latency: 'skip' },
          labels: {},
        },
      },
      {
        signal: controller.signal,
        pause: async () => {
          pause?.(seen.at(-1));
          return false;
        },
        onProgress: ({ stage }) => {
          if (seen.at(-1) !== stage) seen.push(stage);
          if (stage === stop) controller.abort(new DOMException('canceled', 'AbortError'));
        },
      },
    );
    return { work, seen };
  };

  it('asks in every stage that takes long, many times, whether it may go on', async () => {
    const asked = new Map<Stage | undefined, number>();
    await run(undefined, (stage) => asked.set(stage, (asked.get(stage) ?? 0) + 1)).work;
    expect(asked.get('searching')).toBeGreaterThan(10);
    expect(asked.get('calibrating')).toBeGreaterThanOrEqual(4); // 64 images in batches of 50, and before what is made of them
    expect(asked.get('verifying')).toBeGreaterThan(10); // 200 images in batches of 20
  });

  it('goes through every stage in order', async () => {
    const { work, seen } = run(undefined);
    expect((await work).status).toBe('succeeded');
    expect(seen).toEqual(STAGES);
  });

  // In the last stage everything is done; whether it counts is the database's to say, which knows of the cancel.
  it.each(STAGES.slice(0, -1))(
    'ends with the abort when it is stopped while %s, and goes no further',
    async (stage) => {
      const { work, seen } = run(stage);
      await expect(work).rejects.toMatchObject({ name: 'AbortError' });
      expect(seen).toEqual(STAGES.slice(0, STAGES.indexOf(stage) + 1));
    },
  );
});
