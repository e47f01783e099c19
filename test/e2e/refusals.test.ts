import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PREDICTOR_FILES } from '../../src/predictors/file.js';
import { addBundleFiles } from '../../src/supernet/bundle.js';
import {
  type CliOptions,
  endAll,
  get,
  HAS_PROC,
  nothingLeft,
  post,
  runCli,
  type ServerProcess,
  startCli,
  startServer,
} from '../helpers/server-process.js';
import { saveTinyProfile, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let scratch: string;
let options: CliOptions;
let bundle: string;
/** A port of the loopback interface that something else holds, and one that nothing holds. */
let holder: Server;
let takenPort: number;
let freePort: number;

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  bundle = await writeTinyBundle(options.models);
  await saveTinyProfile(options.dataDir);
  ({ server: holder, port: takenPort } = await listen());
  const probe = await listen();
  freePort = probe.port;
  await new Promise((done) => probe.server.close(done));
});
afterAll(async () => {
  holder.close();
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

describe('output that nobody reads to its end', () => {
  it('ends the command without a word', async () => {
    const running = startCli(['space', 'list'], options);
    running.child.stdout?.destroy();
    expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
  });
});

/** Runs a command that must refuse: exit code 3, one sentence on one line that says `words`, nothing else and nothing left. */
async function refusal(args: readonly string[], changes: Partial<CliOptions>, words: readonly (string | RegExp)[]) {
  const { code, stdout, stderr } = await runCli(args, { ...options, ...changes });
  expect([code, stdout], stderr).toEqual([3, '']);
  expect(stderr.trimEnd()).not.toContain('\n');
  expect(stderr).not.toMatch(/unexpected|\bat .*:\d+:\d+|node_modules/);
  for (const word of words) expect(stderr).toMatch(word);
  await nothingLeft(changes.dataDir ?? options.dataDir);
  return stderr;
}

const serve = ['serve', '--port', '0'];

/** A copy of the bundle in a folder of its own, for damage. */
async function copied(name: string): Promise<{ models: string; dir: string }> {
  const models = join(scratch, name);
  const dir = join(models, 'tiny');
  await cp(bundle, dir, { recursive: true });
  return { models, dir };
}

describe('a server refuses to start, in one sentence', () => {
  it('on weights with a wrong byte', async () => {
    const { models, dir } = await copied('corrupt');
    const file = await open(join(dir, 'weights.safetensors'), constants.O_RDWR);
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 50_000);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 50_000);
    await file.close();
    await refusal(serve, { models }, [/weights\.safetensors/, /sha256/, dir]);
  });

  it('on truncated weights', async () => {
    const { models, dir } = await copied('truncated');
    await truncate(join(dir, 'weights.safetensors'), 1000);
    await refusal(serve, { models }, [/weights\.safetensors/, /truncated/, /the file at 1000/, dir]);
  });

  it('on a predictor that was made for other weights', async () => {
    const { models, dir } = await copied('predictor');
    const other = await writeTinyBundle(join(scratch, 'other'), { seed: 2 });
    const names = Object.values(PREDICTOR_FILES);
    const files = await Promise.all(names.map(async (name) => [name, await readFile(join(other, name))] as const));
    await addBundleFiles(dir, new Map(files));
    await refusal(serve, { models }, [/predictor/, /weights/, dir]);
  });

  it('on a models folder that is not there, or has no bundle', async () => {
    const missing = join(scratch, 'nowhere');
    await refusal(serve, { models: missing }, [missing]);
    const empty = join(scratch, 'empty');
    await mkdir(empty);
    await refusal([...serve, '--models', empty], {}, [empty]);
  });

  it('on a data folder that is a file', async () => {
    const dataDir = join(scratch, 'file');
    await writeFile(dataDir, '');
    await refusal(serve, { dataDir }, [dataDir]);
  });

  it('on a port that is in use, naming where to give another', async () => {
    await refusal(['serve', '--port', String(takenPort)], {}, [String(takenPort), /BESPOKE_PORT/]);
  });

  it('on bad values of the environment, all at once', async () => {
    const env = {
      BESPOKE_PORT: 'eighty',
      BESPOKE_LEASE_MS: '5',
      BESPOKE_MAX_ATTEMPTS: '0',
      BESPOKE_LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://root:secret@localhost/db',
      REDIS_URL: 'localhost:6379',
    };
    const sentence = await refusal(['serve'], { env }, Object.keys(env));
    expect(sentence).not.toContain('secret');
  });

  it('on a bad port option', async () => {
    await refusal(['serve', '--port', '70000'], {}, [/port/, /65535/]);
    await refusal(['serve', '--port', '-1'], {}, [/port/]);
  });

  it.each(['serve', 'worker'])('on a database that does not answer (%s)', async (command) => {
    const DATABASE_URL = `postgresql://me:secret@127.0.0.1:${freePort}/bespoke`;
    const env = { DATABASE_URL, REDIS_URL: `redis://127.0.0.1:${freePort}` };
    const sentence = await refusal([command], { env }, [/DATABASE_URL/, `127.0.0.1:${freePort}`, /ECONNREFUSED/]);
    expect(sentence).not.toContain('secret');
  });

  it('on a Redis that does not answer', async () => {
    const env = { REDIS_URL: `redis://:secret@127.0.0.1:${freePort}` };
    const sentence = await refusal(serve, { env }, [/REDIS_URL/, `127.0.0.1:${freePort}`]);
    expect(sentence).not.toContain('secret');
  });

  it('as a worker without database and queue', async () => {
    await refusal(['worker'], {}, [/REDIS_URL/, /DATABASE_URL/]);
  });
});

/** A file system of its own, where this user may mount one. */
function mount(path: string, settings: string): boolean {
  const isRoot = process.getuid?.() === 0;
  return isRoot && spawnSync('mount', ['-t', 'tmpfs', '-o', settings, 'tmpfs', path], { stdio: 'ignore' }).status === 0;
}

describe('a data folder that cannot be written', () => {
  it('is refused: no right to write (needs a user other than root, or leave to become one)', async ({ skip }) => {
    const dataDir = join(scratch, 'closed');
    await mkdir(dataDir, { mode: 0o555 });
    if (process.getuid?.() !== 0) {
      await refusal(serve, { dataDir }, [dataDir]);
      await chmod(dataDir, 0o755);
      return;
    }
    const nobody = { uid: 65_534, gid: 65_534, encoding: 'utf8', cwd: '/' } as const;
    await chmod(scratch, 0o755);
    if (spawnSync(process.execPath, ['-e', `require(${JSON.stringify(resolve('package.json'))})`], nobody).status !== 0)
      skip('another user may not read this folder');
    const env = {
      PATH: process.env.PATH,
      HOME: '/nonexistent',
      BESPOKE_DATA_DIR: dataDir,
      BESPOKE_MODELS: options.models,
    };
    const tsx = resolve('node_modules/tsx/dist/loader.mjs');
    const args = ['--import', tsx, resolve('src/cli/main.ts'), ...serve];
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { ...nobody, env });
    expect([status, stdout], stderr).toEqual([3, '']);
    expect(stderr).toMatch(new RegExp(`^[^\\n]*${dataDir}[^\\n]*may not write[^\\n]*\\n$`));
  });

  it('is refused: a read-only file system (needs leave to mount)', async ({ skip }) => {
    const dataDir = join(scratch, 'read-only');
    await mkdir(dataDir);
    if (!mount(dataDir, 'size=1m,ro')) skip('no leave to mount a file system');
    try {
      await refusal(serve, { dataDir }, [dataDir, /read-only/]);
    } finally {
      spawnSync('umount', [dataDir]);
    }
  });

  it('is refused: a full disk (needs leave to mount)', async ({ skip }) => {
    const dataDir = join(scratch, 'full');
    await mkdir(dataDir);
    if (!mount(dataDir, 'size=8m')) skip('no leave to mount a small file system');
    try {
      await saveTinyProfile(dataDir);
      await refusal(serve, { dataDir }, [dataDir, /disk is full/]);
    } finally {
      spawnSync('umount', [dataDir]);
    }
  });

  it('that fills up under a running server gives 503 and works again when there is room (needs leave to mount)', async ({
    skip,
  }) => {
    const dataDir = join(scratch, 'filling');
    await mkdir(dataDir);
    if (!mount(dataDir, 'size=72m')) skip('no leave to mount a small file system');
    try {
      await saveTinyProfile(dataDir);
      const server = await startServer({ ...options, dataDir });
      const filler = join(dataDir, 'filler');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], { stdio: 'ignore' });
      expect(await fillUp(server)).toBe(503);
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
      await rm(filler);
      await expect
        .poll(() => post(server.url, ROW).then(() => 'taken', String), { timeout: 30_000, interval: 100 })
        .toBe('taken');
      await server.stop();
    } finally {
      spawnSync('umount', ['-l', dataDir]);
    }
  });

  /** A row of several kB that no worker takes long over. */
  const ROW = {
    constraints: { maxMacs: 60_000 },
    search: { evaluations: 1000 },
    verify: { latency: 'skip' as const },
    labels: Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`l${index}`, randomText(256)])),
  };

  /** POSTs rows until one is not taken. @returns the HTTP status of that one */
  async function fillUp({ url }: ServerProcess): Promise<number> {
    for (let count = 0; count < 5000; count++) {
      const response = await fetch(`${url}/v1/specializations`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(ROW),
      });
      const problem = await response.json();
      if (response.status === 202) continue;
      expect(problem).toMatchObject({ code: expect.stringMatching(/^(storage-failed|database-unavailable)$/) });
      return response.status;
    }
    return 202;
  }
});

/** Letters that a database does not compress to nothing. */
function randomText(length: number): string {
  let state = 1;
  return Array.from({ length }, () => {
    state = (state * 48_271) % 2_147_483_647; // Park and Miller
    return String.fromCharCode(97 + (state % 26));
  }).join('');
}

describe.skipIf(!HAS_PROC)('a data folder with a server (needs /proc)', () => {
  it('is not given to a second one; the first one is named and goes on', async () => {
    const broken = await copied('beside');
    await truncate(join(broken.dir, 'space.json'), 10);
    await writeTinyBundle(broken.models, { id: 'whole' });
    const first = await startServer({ ...options, models: broken.models });
    const { code, stdout, stderr } = await runCli(serve, options);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toBe(
      `The data folder ${options.dataDir} is in use: the process ${first.pid} serves at ${first.url}; use that server, stop it, or name another folder with --data-dir.\n`,
    );
    // A broken bundle beside a whole one is named in the log and hinders nothing.
    expect(first.stderr()).toMatch(/bundle refused.*space\.json/);
    const row = await post(
      first.url,
      { constraints: { maxMacs: 60_000 }, search: { evaluations: 1000 }, verify: { latency: 'skip' } },
      60,
    );
    expect(await get(first.url, row.id)).toMatchObject({ status: 'succeeded', request: { supernetId: 'whole' } });
    expect((await first.stop()).code).toBe(0);
  });
});
