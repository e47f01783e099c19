import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CreateSpecialization, Specialization } from '../../src/client/client.js';
import { sha256 } from '../../src/common/hash.js';
import { readPostmaster } from '../../src/store/postmaster.js';
import {
  bodyOf,
  type CliOptions,
  endAll,
  engineOf,
  finished,
  get,
  HAS_PROC,
  nothingLeft,
  post,
  type ServerProcess,
  signal,
  startServer,
  until,
} from '../helpers/server-process.js';
import { saveTinyProfile, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** One data folder that outlives all of its servers' accidents. */
let scratch: string;
let options: CliOptions;

/** A lease short enough to wait for; attempts enough that a busy machine does not use them up. */
const MAX_ATTEMPTS = 4;
const ENV = { BESPOKE_LEASE_MS: '1000', BESPOKE_MAX_ATTEMPTS: String(MAX_ATTEMPTS) };

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models'), env: ENV };
  await Promise.all([writeTinyBundle(options.models), saveTinyProfile(options.dataDir)]);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

/** A job whose search takes this long, wherever it runs. */
const lasting = (seconds: number, seed = 1): CreateSpecialization => ({
  constraints: { maxMacs: 60_000 },
  seed,
  search: { evaluations: 1_000_000, maxSeconds: seconds },
  verify: { latency: 'skip' },
});
const QUICK: CreateSpecialization = {
  constraints: { maxMacs: 60_000 },
  search: { evaluations: 1000 },
  verify: { latency: 'skip' },
};

/** Waits until the job is in the middle of its search. */
const inTheMiddle = (server: ServerProcess, id: string): Promise<Specialization> =>
  until(`specialization ${id} searches`, async () => {
    const row = await get(server.url, id);
    if (row.status !== 'queued' && row.status !== 'running') throw new Error(`it is ${row.status} already`);
    return row.stage === 'searching' && row.progress > 0 && row;
  });

const runningEngine = (server: ServerProcess): Promise<number> =>
  until('the numeric child runs', () => engineOf(server.pid));

/** The delivered model is whole. */
async function expectDelivered(server: ServerProcess, row: Specialization): Promise<void> {
  expect(row).toMatchObject({ status: 'succeeded', problem: null });
  const model = await fetch(`${server.url}/v1/specializations/${row.id}/model.onnx`);
  expect(sha256(new Uint8Array(await model.arrayBuffer()))).toBe(row.result?.artifact.sha256);
}

describe.skipIf(!HAS_PROC)('a server that is killed in the middle of a job (needs /proc)', () => {
  afterEach(() => endAll(scratch));

  it('leaves no process behind, and the next one on its folder finishes the job and the waiting one, each once', async () => {
    // A lease that nobody waits out: the next server knows that the holder is gone, since it has the folder's lock.
    const first = await startServer({ ...options, env: { ...ENV, BESPOKE_LEASE_MS: '600000' } });
    const { id } = await post(first.url, lasting(1.5));
    const waiting = await post(first.url, { ...QUICK, seed: 2 });
    await inTheMiddle(first, id);
    await first.kill();
    await nothingLeft(scratch);

    const second = await startServer(options);
    const row = await finished(second.url, id);
    await expectDelivered(second, row);
    expect(row.attempt).toBeGreaterThanOrEqual(2);
    await expectDelivered(second, await finished(second.url, waiting.id));
    const page = await fetch(`${second.url}/v1/specializations?limit=200`);
    const { items } = await bodyOf<{ items: readonly Specialization[] }>(page);
    for (const each of [id, waiting.id]) expect(items.filter((item) => item.id === each)).toHaveLength(1);
    // Finished is finished: the row does not move any more.
    expect(await get(second.url, id)).toEqual(row);
    await second.stop();
    await nothingLeft(scratch);
  });
});

describe.skipIf(!HAS_PROC)('a server that is told to stop in the middle of a job (needs /proc)', () => {
  afterEach(() => endAll(scratch));

  it('hands the job back and ends, without waiting for it, though the numeric process hangs', async () => {
    const first = await startServer(options);
    const { id } = await post(first.url, lasting(600));
    await inTheMiddle(first, id);
    expect(await first.stop()).toMatchObject({ code: 0, signal: null });
    await nothingLeft(scratch);

    const second = await startServer(options);
    expect((await inTheMiddle(second, id)).attempt).toBeGreaterThanOrEqual(2);
    signal(await runningEngine(second), 'SIGSTOP');
    expect((await fetch(`${second.url}/healthz`)).status).toBe(200);
    await fetch(`${second.url}/v1/specializations/${id}/cancel`, { method: 'POST' });
    expect((await finished(second.url, id)).status).toBe('canceled');
    const next = await post(second.url, lasting(2));
    await inTheMiddle(second, next.id);
    signal(await runningEngine(second), 'SIGSTOP');
    expect(await second.stop()).toMatchObject({ code: 0, signal: null });
    await nothingLeft(scratch);
  });
});

describe.skipIf(!HAS_PROC)('a server whose processes die or hang (needs /proc)', () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startServer(options);
  });
  afterAll(() => endAll(scratch));

  it('tries a job again whose numeric process was killed', async () => {
    const { id } = await post(server.url, lasting(1));
    await inTheMiddle(server, id);
    const killed = await runningEngine(server);
    signal(killed, 'SIGKILL');
    const row = await finished(server.url, id);
    await expectDelivered(server, row);
    expect(row.attempt).toBeGreaterThanOrEqual(2);
    expect(await runningEngine(server)).not.toBe(killed);
  });

  it('fails a job whose numeric process dies at every attempt, and serves the next one', async () => {
    const { id } = await post(server.url, lasting(600));
    const killed = new Set<number>();
    const row = await until('the attempts are used up', async () => {
      const now = await get(server.url, id);
      const engine = engineOf(server.pid);
      if (now.stage === 'searching' && engine !== undefined && !killed.has(engine)) {
        killed.add(engine);
        signal(engine, 'SIGKILL');
      }
      return now.finishedAt !== null && now;
    });
    expect(row).toMatchObject({ status: 'failed', attempt: MAX_ATTEMPTS, problem: { code: 'internal' }, result: null });
    expect(row.problem?.detail).toContain('numeric process ended');
    await expectDelivered(server, await post(server.url, QUICK, 60));
  });

  it('takes the job from a numeric process that is stopped for longer than its lease; going on later changes nothing', async () => {
    const { id } = await post(server.url, lasting(1));
    await inTheMiddle(server, id);
    const stopped = await runningEngine(server);
    signal(stopped, 'SIGSTOP');
    const row = await finished(server.url, id);
    await expectDelivered(server, row);
    expect(row.attempt).toBeGreaterThanOrEqual(2);
    signal(stopped, 'SIGCONT');
    expect(await until('the stopped one is gone', () => engineOf(server.pid) !== stopped)).toBe(true);
    expect(await get(server.url, id)).toEqual(row);
    await expectDelivered(server, await post(server.url, QUICK, 60));
  });

  it('brings a killed database back, and finishes the job', async () => {
    const { id } = await post(server.url, lasting(1.5));
    await inTheMiddle(server, id);
    const postmaster = await readPostmaster(join(options.dataDir, 'postgres'));
    signal(postmaster?.pid ?? -1, 'SIGKILL');
    const row = await until('the job is finished', async () => {
      const found = await get(server.url, id).catch(() => undefined); // 503 while it is away
      return found !== undefined && found.finishedAt !== null && found;
    });
    await expectDelivered(server, row);
  });
});
