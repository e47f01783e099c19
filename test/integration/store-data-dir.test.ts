import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { processStart } from '../../src/files/process-identity.js';
import { lockDataDir, readServerUrl } from '../../src/store/data-dir.js';

let scratch: string;
let dir: string;
let count = 0;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-lock-'));
});
beforeEach(() => {
  dir = join(scratch, String(count++));
});
afterAll(() => rm(scratch, { recursive: true }));

const URL_OF_SERVER = 'http://127.0.0.1:8080';

/** Leaves a lock as another process would have. */
async function leave(holder: object): Promise<void> {
  await (await lockDataDir(dir)).release();
  await writeFile(join(dir, 'bespoke.lock'), JSON.stringify({ nonce: 'theirs', url: URL_OF_SERVER, ...holder }));
}

describe('the lock of a data folder', () => {
  it('makes the folder, tells the URL once it is known, and leaves nothing behind', async () => {
    expect(await readServerUrl(dir)).toBeUndefined();
    const lock = await lockDataDir(dir);
    expect(await readServerUrl(dir)).toBeUndefined();
    await lock.setUrl(URL_OF_SERVER);
    expect(await readServerUrl(dir)).toBe(URL_OF_SERVER);
    await lock.release();
    expect(await readServerUrl(dir)).toBeUndefined();
    expect(await readdir(dir)).toEqual([]);
  });

  it('refuses a second holder, naming the first one’s pid and URL', async () => {
    const lock = await lockDataDir(dir, { url: URL_OF_SERVER });
    await expect(lockDataDir(dir)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(new RegExp(`${process.pid}.*${URL_OF_SERVER}`)),
    });
    await lock.release();
    await (await lockDataDir(dir)).release();
  });

  it('is refused while another living process holds it, and taken over when that was killed', async () => {
    const code = `import { lockDataDir } from ${JSON.stringify(resolve('src/store/data-dir.ts'))};
      lockDataDir(process.argv[1], { url: 'http://other' }).then(() => console.log('held')); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code, dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(await readServerUrl(dir)).toBe('http://other');
    await expect(lockDataDir(dir)).rejects.toThrow(String(child.pid));
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    expect(await readServerUrl(dir)).toBeUndefined();
    await (await lockDataDir(dir)).release();
  });

  it('takes over from a process that is gone', async () => {
    await leave({ pid: spawnSync(process.execPath, ['-e', '']).pid, start: '1' });
    expect(await readServerUrl(dir)).toBeUndefined();
    await (await lockDataDir(dir)).release();
  });

  it('takes over when the pid now is another process’s', async () => {
    await leave({ pid: process.pid, start: 'long ago' });
    await expect(readServerUrl(dir)).resolves.toBeUndefined();
    await (await lockDataDir(dir)).release();
  });

  it('takes over a file that no lock ever was', async () => {
    await leave({});
    await writeFile(join(dir, 'bespoke.lock'), 'not a lock');
    await (await lockDataDir(dir)).release();
  });

  it('goes to exactly one of many that take over at once', async () => {
    await leave({ pid: process.pid, start: 'long ago' });
    const takes = await Promise.allSettled(Array.from({ length: 20 }, () => lockDataDir(dir)));
    expect(takes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await readdir(dir)).toEqual(['bespoke.lock']);
  });

  it('does not remove a lock that went to another', async () => {
    const lock = await lockDataDir(dir);
    const other = JSON.stringify({ pid: process.pid, start: processStart(process.pid), nonce: 'theirs' });
    await writeFile(join(dir, 'bespoke.lock'), other);
    await lock.release();
    expect(await readFile(join(dir, 'bespoke.lock'), 'utf8')).toBe(other);
  });

  it('says that a folder cannot be written', async () => {
    await writeFile(dir, '');
    await expect(lockDataDir(join(dir, 'below'))).rejects.toMatchObject({ code: 'storage-failed' });
    expect(await readServerUrl(join(dir, 'below'))).toBeUndefined();
  });
});

describe('the start of a process', () => {
  it('is the same each time, and none for a process that is gone', () => {
    expect(processStart(process.pid)).toBe(processStart(process.pid));
    expect(processStart(spawnSync(process.execPath, ['-e', '']).pid)).toBeUndefined();
  });

  it.skipIf(!existsSync('/proc/self/stat'))('differs between processes (needs /proc)', () => {
    expect(processStart(process.pid)).not.toBe(processStart(1));
  });
});
