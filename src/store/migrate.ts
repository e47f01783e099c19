import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import { connectionOf } from './connection.js';
import { guarded, toDatabaseError } from './database-error.js';

/** The same place seen from src/store and from dist/store. */
const MIGRATIONS_DIR = fileURLToPath(new URL('../../prisma/migrations', import.meta.url));

/** The advisory lock that `prisma migrate` takes, so that the two never run at once (schema-engine, sql-schema-connector). */
const PRISMA_MIGRATE_LOCK = 72707369;

/** How long to wait for a connection, and for another process that is migrating, ms. */
const CONNECT_TIMEOUT_MS = 10_000;
const LOCK_TIMEOUT_MS = 60_000;

/** The table as `prisma migrate` makes it. */
const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`;

interface Migration {
  readonly name: string;
  readonly sql: string;
  /** Hex sha256 of the file, as Prisma counts it. */
  readonly checksum: string;
}

interface AppliedMigration {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
}

/**
 * Brings a database to the schema of this version: applies the folders of prisma/migrations in order, each in a
 * transaction, and records them as `prisma migrate deploy` does, so that either can follow the other.
 * @param dir the migrations; the package's own unless told
 * @returns names of those applied now
 * @throws BespokeError `storage-failed` when the database was made by a newer version, or by files that were changed since, or when one fails;
 *   `database-unavailable` when it does not answer
 */
export async function migrate(url: string, dir: string = MIGRATIONS_DIR): Promise<readonly string[]> {
  const migrations = await readMigrations(dir);
  const { config, schema } = connectionOf(url);
  const client = new pg.Client({ ...config, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {}); // the query that is under way fails with it
  return guarded(async () => {
    await client.connect();
    try {
      await client.query(`SET lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await client.query('SELECT pg_advisory_lock($1)', [PRISMA_MIGRATE_LOCK]);
      if (schema !== undefined) await client.query(`CREATE SCHEMA IF NOT EXISTS ${client.escapeIdentifier(schema)}`);
      return await applyMissing(client, migrations);
    } finally {
      await client.end(); // frees the lock
    }
  });
}

/** The migrations of a folder in the order of their names, which begin with their time. */
async function readMigrations(dir: string): Promise<readonly Migration[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(`${dir}/${name}/migration.sql`, 'utf8');
      return { name, sql, checksum: sha256(sql) };
    }),
  );
}

async function applyMissing(client: pg.Client, migrations: readonly Migration[]): Promise<readonly string[]> {
  await client.query(CREATE_TABLE);
  const { rows } = await client.query<AppliedMigration>(
    `SELECT migration_name, checksum, finished_at FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY started_at, migration_name`,
  );
  const applied = new Map(rows.map((row) => [row.migration_name, row]));
  refuseForeign(applied, migrations);
  const missing = migrations.filter(({ name }) => !applied.has(name));
  for (const migration of missing) await apply(client, migration);
  return missing.map(({ name }) => name);
}

/** Refuses a database whose history is not the beginning of ours. */
function refuseForeign(applied: ReadonlyMap<string, AppliedMigration>, migrations: readonly Migration[]): void {
  const known = new Map(migrations.map((migration) => [migration.name, migration]));
  for (const [name, row] of applied) {
    const ours = known.get(name);
    if (ours === undefined)
      throw refusal(
        `it has the migration ${name}, which this version does not know; run the newer version that made it`,
      );
    if (row.finished_at === null)
      throw refusal(
        `its migration ${name} was begun by \`prisma migrate\` and did not finish; see \`prisma migrate resolve\``,
      );
    if (row.checksum !== ours.checksum)
      throw refusal(`its migration ${name} was applied from a file that differs from this version's`);
  }
  const firstMissing = migrations.find(({ name }) => !applied.has(name));
  const later = migrations.find(
    ({ name }) => firstMissing !== undefined && name > firstMissing.name && applied.has(name),
  );
  if (firstMissing !== undefined && later !== undefined)
    throw refusal(`it has the migration ${later.name} but not the earlier ${firstMissing.name}`);
}

function refusal(why: string): BespokeError {
  return new BespokeError('storage-failed', `The database cannot be used: ${why}.`);
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    const { rows } = await client.query<{ readonly now: Date }>('SELECT clock_timestamp() AS now');
    await client.query(sql);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, $4, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name, rows[0]?.now],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {}); // a lost connection has rolled back by itself
    const known = toDatabaseError(error); // a server that stops in the middle is no fault of the migration
    if (known instanceof BespokeError || !(error instanceof pg.DatabaseError)) throw known;
    throw new BespokeError('storage-failed', `The migration ${name} failed: ${error.message}.`, {}, error);
  }
}
