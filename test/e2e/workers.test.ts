import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CreateSpecialization, Specialization } from '../../src/client/client.js';
import { sha256 } from '../../src/common/hash.js';
import {
  type CliOptions,
  type CliProcess,
  endAll,
  engineOf,
  finished,
  get,
  HAS_PROC,
  post,
  type ServerProcess,
  signal,
  startServer,
  startWorker,
  until,
} from '../helpers/server-process.js';
import { saveTinyProfile, writeTinyBundle } from '../helpers/tiny-bundle.js';
import { execute, startTestServer, type TestServer } from '../integration/store-database.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const HAS_REDIS = spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
const LEASE_MS = 1000;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A Redis that keeps nothing, taking connections. */
async function startRedis(port: number): Promise<ChildProcess> {
  const args = ['--port', String(port), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1'];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const chunk of child.stdout) if (String(chunk).includes('Ready to accept connections')) break;
  return child;
}

/** A job whose search takes this long, wherever it runs. */
const lasting = (seconds: number): CreateSpecialization => ({
  constraints: { maxMacs: 60_000 },
  search: { evaluations: 1_000_000, maxSeconds: seconds },
  verify: { latency: 'skip' },
});
const QUICK: CreateSpecialization = { ...lasting(1), search: { evaluations: 1000 } };

describe.skipIf(!HAS_REDIS || !HAS_PROC)(
  'a server and a worker on one database and one Redis (needs redis-server, /proc)',
  () => {
    let scratch: string;
    let database: TestServer;
    let databaseUrl: string;
    let redis: ChildProcess;
    let server: ServerProcess;
    let workerOptions: CliOptions;
    let worker: CliProcess;

    beforeAll(async () => {
      scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
      const port = await freePort();
      [database, redis] = await Promise.all([startTestServer(), startRedis(port)]);
      databaseUrl = await database.makeEmpty();
      const models = join(scratch, 'models');
      const env = {
        DATABASE_URL: databaseUrl,
        REDIS_URL: `redis://127.0.0.1:${port}`,
        BESPOKE_LEASE_MS: String(LEASE_MS),
        BESPOKE_MAX_ATTEMPTS: '20',
      };
      workerOptions = { dataDir: join(scratch, 'worker'), models, env };
      const serverOptions = { dataDir: join(scratch, 'server'), models, env };
      const profiles = [workerOptions, serverOptions].map(({ dataDir }) => saveTinyProfile(dataDir));
      await Promise.all([writeTinyBundle(models), ...profiles]);
      server = await startServer(serverOptions);
    });
    beforeEach(async () => {
      worker = await startWorker(workerOptions);
    });
    afterEach(async () => {
      signal(worker.pid, 'SIGCONT');
      await worker.kill();
    });
    afterAll(async () => {
      await endAll(scratch);
      await database.stop();
      redis.kill('SIGKILL');
      await rm(scratch, { recursive: true, force: true });
    });

    /** The pid of the process that holds a job: a worker's id is host, pid and a nonce. */
    async function holderOf(id: string): Promise<number | undefined> {
      const [row] = await execute(databaseUrl, 'SELECT worker_id FROM specializations WHERE id = $1::uuid', [id]);
      const pid = String(row?.worker_id ?? '')
        .split(':')
        .at(-2);
      return pid === undefined ? undefined : Number(pid);
    }

    /** A job in the middle of its search, held by the worker process; those that the server takes are canceled. */
    async function heldByWorker(body: CreateSpecialization): Promise<string> {
      return until('the worker process has a job', async () => {
        const { id } = await post(server.url, body);
        const holder = await until('the job is taken', () => holderOf(id));
        if (holder === worker.pid) return id;
        await fetch(`${server.url}/v1/specializations/${id}/cancel`, { method: 'POST' });
        await finished(server.url, id);
        return undefined;
      });
    }

    /** How many jobs succeeded, and how many models there are. */
    async function delivered(): Promise<unknown> {
      const [counts] = await execute(
        databaseUrl,
        "SELECT count(*)::int AS jobs, count(DISTINCT artifact_sha)::int AS models, (SELECT count(*)::int FROM artifacts) AS kept FROM specializations WHERE status = 'succeeded'",
      );
      return counts;
    }

    async function expectDelivered(row: Specialization): Promise<void> {
      expect(row).toMatchObject({ status: 'succeeded', problem: null });
      const model = await fetch(`${server.url}/v1/specializations/${row.id}/model.onnx`);
      expect(sha256(new Uint8Array(await model.arrayBuffer()))).toBe(row.result?.artifact.sha256);
    }

    it('loses the job of a worker that is stopped for longer than its lease to another; going on, it changes nothing', async () => {
      const id = await heldByWorker(lasting(2.5));
      const engine = await until('the worker’s numeric process', () => engineOf(worker.pid));
      for (const pid of [worker.pid, engine]) signal(pid, 'SIGSTOP');
      const row = await finished(server.url, id);
      await expectDelivered(row);
      expect(row.attempt).toBeGreaterThanOrEqual(2);
      const before = await delivered();

      for (const pid of [worker.pid, engine]) signal(pid, 'SIGCONT');
      // It has gone on when it takes a job again: what it had to say of the old one, it has said by then.
      const next = await heldByWorker(lasting(0.5));
      expect(await get(server.url, id)).toEqual(row);
      expect(await delivered()).toEqual(before);
      await expectDelivered(await finished(server.url, next));
    });

    it('takes the job of a worker that is killed, and of one that is told to stop', async () => {
      const first = await heldByWorker(lasting(2.5));
      await worker.kill();
      worker = await startWorker(workerOptions);
      const second = await heldByWorker(lasting(2.5));
      expect((await worker.stop()).code).toBe(0);
      for (const id of [first, second]) {
        const row = await finished(server.url, id);
        await expectDelivered(row);
        expect(row.attempt).toBeGreaterThanOrEqual(2);
      }
    });

    it('is ready, and does what it is given', async () => {
      expect(await (await fetch(`${server.url}/readyz`)).json()).toMatchObject({ ready: true, queue: true });
      const rows = await Promise.all([1, 2, 3, 4].map((seed) => post(server.url, { ...QUICK, seed }, 60)));
      for (const row of rows) {
        await expectDelivered(row);
        expect(row.attempt).toBe(1);
      }
    });
  },
);
