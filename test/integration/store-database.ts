import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { connectStore, type Store } from '../../src/store/connect.js';
import { startEmbeddedPostgres } from '../../src/store/embedded.js';
import { migrate } from '../../src/store/migrate.js';

/** A PostgreSQL for one test file: the one of TEST_DATABASE_URL where that is given, else an embedded one of its own. */
export interface TestServer {
  /** The URL of a new empty database. */
  makeEmpty(): Promise<string>;
  /** A new migrated database, and its stores. */
  makeStore(poolSize?: number): Promise<Store & { readonly url: string }>;
  /** Removes every database made here, and the server if it is ours. */
  stop(): Promise<void>;
}

export async function startTestServer(): Promise<TestServer> {
  const given = process.env.TEST_DATABASE_URL;
  const dataDir = given === undefined ? await mkdtemp(join(tmpdir(), 'bespoke-store-')) : undefined;
  const embedded = dataDir === undefined ? undefined : await startEmbeddedPostgres(dataDir);
  const adminUrl = given ?? embedded?.url ?? '';
  // Nothing here outlives the test: no waiting for the disk.
  if (embedded !== undefined) {
    await execute(adminUrl, 'ALTER SYSTEM SET fsync = off');
    await execute(adminUrl, 'SELECT pg_reload_conf()');
  }
  const made: string[] = [];
  const stores: Store[] = [];
  const create = async (template?: string): Promise<string> => {
    const name = `bespoke_test_${randomUUID().replaceAll('-', '')}`;
    await execute(adminUrl, `CREATE DATABASE ${name}${template === undefined ? '' : ` TEMPLATE ${template}`}`);
    made.push(name);
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    return url.href;
  };
  const templateUrl = await create();
  await migrate(templateUrl);
  const template = new URL(templateUrl).pathname.slice(1);
  return {
    makeEmpty: () => create(),
    makeStore: async (poolSize = 4) => {
      const url = await create(template);
      const store = await connectStore(url, { poolSize });
      stores.push(store);
      return { ...store, url };
    },
    stop: async () => {
      await Promise.all(stores.map((store) => store.close()));
      if (embedded === undefined)
        for (const name of made) await execute(adminUrl, `DROP DATABASE ${name} WITH (FORCE)`);
      await embedded?.stop();
      if (dataDir !== undefined) await rm(dataDir, { recursive: true });
    },
  };
}

/** Empties a database between tests: quicker than a new one. */
export async function empty(url: string): Promise<void> {
  await execute(url, 'DELETE FROM specializations; DELETE FROM artifacts');
}

/** Runs SQL past the stores, on a connection of its own. */
export async function execute(
  url: string,
  sql: string,
  values?: readonly unknown[],
): Promise<readonly pg.QueryResultRow[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql, values === undefined ? undefined : [...values])).rows;
  } finally {
    await client.end();
  }
}
