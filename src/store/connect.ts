import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { PrismaClient } from '../generated/prisma/client.js';
import type { ArtifactStore, JobStore, SpecializationStore } from '../specialize/ports.js';
import { makeArtifactStore } from './artifact-store.js';
import { connectionOf } from './connection.js';
import { endLeases, makeJobStore } from './job-store.js';
import { makeSpecializationStore } from './specialization-store.js';

/** The stores of one database, over one pool of connections. */
export interface Store {
  readonly specializations: SpecializationStore;
  readonly jobs: JobStore;
  readonly artifacts: ArtifactStore;
  /**
   * Ends every lease at once, so that the next sweep brings the jobs back. Only for who knows that no worker lives: a server that holds the
   * data folder's lock and has just started the database in it.
   */
  endLeases(): Promise<void>;
  /** True when the database answers within {@link READY_TIMEOUT_MS}; never throws. */
  isReady(): Promise<boolean>;
  /** Closes the connections. Work that is under way fails. */
  close(): Promise<void>;
}

/** How long /readyz waits for the database, ms. */
const READY_TIMEOUT_MS = 2000;

/** How long a request waits for a connection, free or new, ms. */
const CONNECT_TIMEOUT_MS = 5000;

/** How long an unused connection is kept, ms; each costs the server a process. */
const IDLE_TIMEOUT_MS = 30_000;

/**
 * Connects the stores to a migrated database. Does not wait for it: what it is asked while the database is away
 * throws `database-unavailable`, and works again when the database is back.
 * @param url `postgresql://...`, PostgreSQL 15 or newer; a `schema=` parameter names the schema
 * @param options.poolSize connections at most
 */
export async function connectStore(url: string, { poolSize }: { readonly poolSize: number }): Promise<Store> {
  const { config, schema } = connectionOf(url);
  const pool = new pg.Pool({
    ...config,
    max: poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    keepAlive: true,
  });
  // An idle connection that breaks says so here; the pool has dropped it, the next query opens another.
  pool.on('error', () => {});
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, schema === undefined ? {} : { schema }) });
  let closing: Promise<void> | undefined;
  return {
    specializations: makeSpecializationStore(prisma),
    jobs: makeJobStore(prisma),
    artifacts: makeArtifactStore(prisma, pool),
    endLeases: () => endLeases(prisma),
    isReady: () => answers(pool),
    close: () => {
      closing ??= prisma.$disconnect().then(() => pool.end());
      return closing;
    },
  };
}

async function answers(pool: pg.Pool): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), READY_TIMEOUT_MS);
  });
  const answer = pool.query('SELECT 1').then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
