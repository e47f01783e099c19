import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectStore } from '../../src/store/connect.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded.js';
import { migrate } from '../../src/store/migrate.js';
import { readPostmaster } from '../../src/store/postmaster.js';
import { execute } from './store-database.js';
import { LEASE_MS, makeModel, makeRequest, makeSucceeded } from './store-records.js';

/** Waiting for something that another process does on a busy machine. */
const SOON = { timeout: 25_000, interval: 20 };
const IS_ROOT = process.getuid?.() === 0;

let scratch: string;
let dataDir: string;
const running: EmbeddedPostgres[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-embedded-'));
  dataDir = join(scratch, 'data'); // one folder for all: making one takes seconds
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function start(dir = dataDir): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(dir);
  running.push(server);
  return server;
}

async function postmasterPid(dir = dataDir): Promise<number> {
  const found = await readPostmaster(join(dir, 'postgres'));
  if (found === undefined) throw new Error('no postmaster.pid');
  return found.pid;
}

/** Notes a word in the database, to find it again after an accident. */
async function note(url: string, word: string): Promise<void> {
  await execute(url, 'CREATE TABLE IF NOT EXISTS notes (word TEXT)');
  await execute(url, 'INSERT INTO notes VALUES ($1)', [word]);
}

async function noted(url: string): Promise<readonly string[]> {
  return (await execute(url, 'SELECT word FROM notes')).map(({ word }) => String(word));
}

/** Runs code in a process of its own that starts the server of `dir`, and waits until it has printed its URL. */
async function startElsewhere(dir: string): Promise<ChildProcess> {
  const module = resolve('src/store/embedded.ts');
  const code = `import { startEmbeddedPostgres } from ${JSON.stringify(module)};
    startEmbeddedPostgres(process.argv[1]).then(({ url }) => console.log(url)); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

describe('the embedded PostgreSQL', () => {
  it('takes connections on the loopback interface, with its password alone, and keeps its data', async () => {
    const first = await start();
    expect(first.url).toMatch(/^postgresql:\/\/bespoke:[\w-]{32}@127\.0\.0\.1:\d+\/postgres$/);
    await note(first.url, 'kept');
    await expect(execute(first.url.replace(/:[\w-]{32}@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(/password/);
    const [{ listen_addresses } = {}] = await execute(first.url, 'SHOW listen_addresses');
    expect(listen_addresses).toBe('127.0.0.1');
    expect((await stat(join(dataDir, 'postgres.password'))).mode & 0o777).toBe(0o600);
    await first.stop();
    expect(await readPostmaster(join(dataDir, 'postgres'))).toBeUndefined();
    const second = await start();
    expect(await noted(second.url)).toContain('kept');
  });

  it('says nothing on standard output', async () => {
    const write = vi.spyOn(process.stdout, 'write');
    try {
      const server = await start();
      await server.stop();
      expect(write.mock.calls).toEqual([]);
    } finally {
      write.mockRestore();
    }
  });

  it('comes back at the same URL when its process is killed, in the middle of the stores’ work', async () => {
    const server = await start();
    await migrate(server.url);
    const store = await connectStore(server.url, { poolSize: 3 });
    try {
      const { row } = await store.specializations.create(makeRequest());
      const claim = await store.jobs.claim(row.id, 'w', LEASE_MS);
      const finish = store.jobs.finish(row.id, claim?.attempt ?? -1, makeSucceeded(makeModel(4 * 2 ** 20)));
      process.kill(await postmasterPid(), 'SIGKILL');
      // Either it was through before, or it says that the database is away and has written nothing.
      const outcome = await finish.catch((error: unknown) => error);
      if (outcome !== true) expect(outcome).toMatchObject({ code: 'database-unavailable' });
      await vi.waitFor(async () => expect(await store.isReady()).toBe(true), SOON);
      const found = await vi.waitFor(() => store.specializations.get(row.id), SOON);
      expect(found?.status).toBe(outcome === true ? 'succeeded' : 'running');
      if (outcome !== true) expect(await execute(server.url, 'SELECT 1 FROM artifacts')).toEqual([]);
    } finally {
      await store.close();
    }
  });

  it('stops with the process that started it, however that ended', async () => {
    const child = await startElsewhere(dataDir);
    expect(await readPostmaster(join(dataDir, 'postgres'))).toMatchObject({ isReady: true });
    await kill(child);
    await vi.waitFor(async () => expect(await readPostmaster(join(dataDir, 'postgres'))).toBeUndefined(), SOON);
  });

  it.skipIf(process.platform !== 'linux')(
    'stops a server that outlived its process, and starts its own (needs /proc)',
    async () => {
      const child = await startElsewhere(dataDir);
      const pid = await postmasterPid();
      // The shell between the two, and its other child, which watches that the process lives.
      const shell = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[1]);
      const children = (await readFile(`/proc/${shell}/task/${shell}/children`, 'utf8')).trim().split(' ').map(Number);
      const watchers = children.filter((found) => found !== pid);
      expect(watchers).toHaveLength(1);
      for (const other of [shell, ...watchers]) process.kill(other, 'SIGKILL');
      child.kill('SIGKILL');
      const server = await start();
      expect(await postmasterPid()).not.toBe(pid);
      await note(server.url, 'after an orphan');
    },
  );

  it('starts over a postmaster.pid whose process is gone, or is another program now', async () => {
    await (await start()).stop();
    const path = join(dataDir, 'postgres', 'postmaster.pid');
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    for (const pid of [gone, process.pid]) {
      await writeFile(path, [pid, join(dataDir, 'postgres'), 1, 5432, '', '127.0.0.1', '0 0', 'ready', ''].join('\n'));
      const server = await start();
      await note(server.url, `over ${pid}`);
      expect(await postmasterPid()).not.toBe(pid);
      await server.stop();
    }
  });

  it('sets a new password when the file was lost', async () => {
    await (await start()).stop();
    const before = await readFile(join(dataDir, 'postgres.password'), 'utf8');
    await rm(join(dataDir, 'postgres.password'));
    const server = await start();
    await note(server.url, 'new password');
    expect(await readFile(join(dataDir, 'postgres.password'), 'utf8')).not.toBe(before);
  });

  it('removes what a first start that was cut off left behind', async () => {
    const dir = join(scratch, 'cut-off');
    await mkdir(join(dir, 'postgres.new-1', 'base'), { recursive: true });
    await start(dir);
    expect((await readdir(dir)).toSorted()).toEqual(['postgres', 'postgres.password']);
  });
});

describe('a data folder that cannot be used', () => {
  const refused = (reason: RegExp) => ({ code: 'storage-failed', message: expect.stringMatching(reason) });

  it('is refused in one sentence: a file in its place', async () => {
    const path = join(scratch, 'file');
    await writeFile(path, '');
    await expect(start(path)).rejects.toMatchObject(refused(/file/));
    await expect(start(join(path, 'below'))).rejects.toMatchObject(refused(/file/));
  });

  it('is refused when it was made by another major version', async () => {
    const dir = join(scratch, 'old');
    await mkdir(join(dir, 'postgres'), { recursive: true });
    await writeFile(join(dir, 'postgres', 'PG_VERSION'), '15\n');
    await expect(start(dir)).rejects.toMatchObject(refused(/PostgreSQL 15/));
  });

  it.skipIf(IS_ROOT)('is refused when this user may not write it (needs a user other than root)', async () => {
    const dir = join(scratch, 'closed');
    await mkdir(dir, { mode: 0o500 });
    await expect(start(join(dir, 'data'))).rejects.toMatchObject(refused(/may not write/));
    await chmod(dir, 0o700);
  });

  /** A file system of its own, where this user may mount one. */
  function mount(path: string, options: string): boolean {
    return (
      IS_ROOT && spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'ignore' }).status === 0
    );
  }

  it('is refused when its disk is full, at the first start (needs leave to mount)', async ({ skip }) => {
    const dir = join(scratch, 'full');
    await mkdir(dir);
    if (!mount(dir, 'size=8m')) skip('no leave to mount a small file system');
    try {
      await expect(start(dir)).rejects.toMatchObject(refused(/disk is full/));
    } finally {
      spawnSync('umount', [dir]);
    }
  });

  it('is refused when its file system is read-only (needs leave to mount)', async ({ skip }) => {
    const dir = join(scratch, 'read-only');
    await mkdir(dir);
    if (!mount(dir, 'size=1m,ro')) skip('no leave to mount a file system');
    try {
      await expect(start(dir)).rejects.toMatchObject(refused(/read-only/));
    } finally {
      spawnSync('umount', [dir]);
    }
  });
});
