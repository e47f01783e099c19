import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/common/hash.js';
import { migrate } from '../../src/store/migrate.js';
import { execute, startTestServer, type TestServer } from './store-database.js';

/** Stands in for Prisma's schema engine where that cannot be downloaded; beside the reference data folder. */
const ENGINE = resolve(
  process.env.BESPOKE_REFERENCE ?? '../shared/reference',
  '..',
  'tools',
  'prisma-schema-engine.mjs',
);

let server: TestServer;
let scratch: string;

beforeAll(async () => {
  server = await startTestServer();
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-migrations-'));
});
afterAll(async () => {
  await server.stop();
  await rm(scratch, { recursive: true });
});

/** A folder with these migrations, and with ours before them. */
async function folder(name: string, added: Readonly<Record<string, string>>): Promise<string> {
  const dir = join(scratch, name);
  await cp('prisma/migrations', dir, { recursive: true });
  for (const [migration, sql] of Object.entries(added)) {
    await mkdir(join(dir, migration), { recursive: true });
    await writeFile(join(dir, migration, 'migration.sql'), sql);
  }
  return dir;
}

async function ours(): Promise<readonly string[]> {
  const entries = await readdir('prisma/migrations', { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
}

const LATER = '29990101000000_later';

describe('migrating', () => {
  it('applies every migration once, in order, and records them as Prisma does', async () => {
    const url = await server.makeEmpty();
    const dir = await folder('ordered', { [LATER]: 'ALTER TABLE artifacts ADD COLUMN added INTEGER' });
    expect(await migrate(url, dir)).toEqual([...(await ours()), LATER]);
    expect(await migrate(url, dir)).toEqual([]);
    const [row] = await execute(url, 'SELECT * FROM _prisma_migrations WHERE migration_name = $1', [LATER]);
    expect(row).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      checksum: sha256('ALTER TABLE artifacts ADD COLUMN added INTEGER'),
      finished_at: expect.any(Date),
      rolled_back_at: null,
      applied_steps_count: 1,
    });
  });

  it('is safe for several processes at once', async () => {
    const url = await server.makeEmpty();
    const applied = await Promise.all([migrate(url), migrate(url), migrate(url)]);
    expect(applied.flat()).toEqual(await ours());
  });

  it('works in the schema that the URL names', async () => {
    const url = `${await server.makeEmpty()}?schema=bespoke`;
    await migrate(url);
    expect(
      await execute(
        url.replace(/\?.*/, ''),
        "SELECT 1 AS found FROM pg_tables WHERE schemaname = 'bespoke' AND tablename = 'artifacts'",
      ),
    ).toEqual([{ found: 1 }]);
  });

  it('leaves nothing of a migration that fails', async () => {
    const url = await server.makeEmpty();
    const dir = await folder('failing', { [LATER]: 'CREATE TABLE half (); SELECT 1 / 0' });
    await expect(migrate(url, dir)).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringContaining('division by zero'),
    });
    expect(await execute(url, "SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
    expect(await migrate(url)).toEqual([]);
  });

  it('says so when the database does not answer', async () => {
    await expect(migrate('postgresql://nobody@127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'database-unavailable',
      extras: { retryAfterSeconds: expect.any(Number) },
    });
  });
});

describe('a database with another history', () => {
  it('is refused when it has a migration that is not known here', async () => {
    const url = await server.makeEmpty();
    await migrate(url, await folder('newer', { [LATER]: 'SELECT 1' }));
    await expect(migrate(url)).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringContaining(LATER),
    });
  });

  it('is refused when an applied migration was changed since', async () => {
    const url = await server.makeEmpty();
    await migrate(url, await folder('before', { [LATER]: 'SELECT 1' }));
    await expect(migrate(url, await folder('after', { [LATER]: 'SELECT 2' }))).rejects.toThrow(/differs/);
  });

  it('is refused when a migration was begun elsewhere and did not finish', async () => {
    const url = await server.makeEmpty();
    await migrate(url);
    await execute(url, 'UPDATE _prisma_migrations SET finished_at = NULL');
    await expect(migrate(url)).rejects.toThrow(/did not finish/);
  });

  it('is refused when an earlier migration is missing', async () => {
    const url = await server.makeEmpty();
    await migrate(url, await folder('late', { [LATER]: 'SELECT 1' }));
    const both = await folder('both', { [LATER]: 'SELECT 1', '29980101000000_between': 'SELECT 1' });
    await expect(migrate(url, both)).rejects.toThrow(/29980101000000_between/);
  });
});

describe.skipIf(!existsSync(ENGINE))('the Prisma command line (needs the schema engine in the tools folder)', () => {
  function prisma(args: readonly string[], url: string) {
    const env = { ...process.env, DATABASE_URL: url, PRISMA_SCHEMA_ENGINE_BINARY: ENGINE, CHECKPOINT_DISABLE: '1' };
    const { status, stdout, stderr } = spawnSync(process.execPath, ['node_modules/prisma/build/index.js', ...args], {
      env: { ...env, PRISMA_HIDE_UPDATE_MESSAGE: '1' },
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  }

  it('finds schema.prisma and the migrations equal', async () => {
    const url = await server.makeEmpty();
    await migrate(url);
    const args = ['migrate', 'diff', '--from-config-datasource', '--to-schema', 'prisma/schema.prisma', '--exit-code'];
    const { status, output } = prisma(args, url);
    expect(status, output).toBe(0);
    await execute(url, 'ALTER TABLE artifacts DROP COLUMN opset');
    expect(prisma(args, url).status).toBe(2); // the comparison can fail
  });

  it('deploys after us and before us', async () => {
    const url = await server.makeEmpty();
    await migrate(url);
    const after = prisma(['migrate', 'deploy'], url);
    expect(after.output).toContain('No pending migrations');
    const other = await server.makeEmpty();
    const before = prisma(['migrate', 'deploy'], other);
    expect(before.status, before.output).toBe(0);
    expect(await migrate(other)).toEqual([]);
  }, 60_000);
});
