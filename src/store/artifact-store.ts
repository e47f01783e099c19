import type pg from 'pg';
import { BespokeError } from '../common/errors.js';
import { type Sha256, sha256 } from '../common/hash.js';
import { invariant } from '../common/invariant.js';
import type { Prisma, PrismaClient } from '../generated/prisma/client.js';
import type { ArtifactStore } from '../specialize/ports.js';
import type { ArtifactInfo } from '../specialize/types.js';
import { guarded, toDatabaseError } from './database-error.js';

/** The largest piece that goes through the client library at once, bytes. */
const CHUNK_BYTES = 1024 * 1024;

type Transaction = Prisma.TransactionClient;

/**
 * The delivered bytes, in PostgreSQL.
 * @param pool reads go through `pg` itself: chunks arrive as buffers, with no JSON in between
 */
export function makeArtifactStore(prisma: PrismaClient, pool: pg.Pool): ArtifactStore {
  const info = (sha: string): Promise<ArtifactInfo | undefined> => guarded(() => findInfo(prisma, sha));
  return {
    info,
    read: (sha, start, end) => readRange({ info, pool }, { sha, start, end }),
  };
}

async function findInfo(prisma: PrismaClient, sha: string): Promise<ArtifactInfo | undefined> {
  const found = await prisma.artifact.findUnique({ where: { sha256: sha } });
  if (found === null) return undefined;
  const { sha256, bytes, opset, exporterRevision } = found;
  return { sha256, bytes, opset, exporterRevision };
}

interface ByteRange {
  readonly sha: string;
  readonly start: number;
  readonly end: number;
}

async function* readRange(
  source: { readonly info: (sha: string) => Promise<ArtifactInfo | undefined>; readonly pool: pg.Pool },
  { sha, start, end }: ByteRange,
): AsyncGenerator<Uint8Array> {
  const info = await source.info(sha);
  if (info === undefined) throw gone(sha);
  if (!(start >= 0 && start <= end && end < info.bytes))
    throw new BespokeError(
      'range-not-satisfiable',
      `The artifact has bytes 0 to ${info.bytes - 1}; ${start} to ${end} was asked for.`,
    );
  for (let index = Math.floor(start / CHUNK_BYTES); index * CHUNK_BYTES <= end; index++) {
    const chunkStart = index * CHUNK_BYTES;
    const first = Math.max(start - chunkStart, 0);
    const length = Math.min(end - chunkStart, CHUNK_BYTES - 1) - first + 1;
    yield await readChunk(source.pool, { sha, index, first, length });
  }
}

async function readChunk(
  pool: pg.Pool,
  part: { readonly sha: string; readonly index: number; readonly first: number; readonly length: number },
): Promise<Uint8Array> {
  try {
    const { rows } = await pool.query<{ readonly part: Buffer }>(
      // SQL counts bytes from 1.
      'SELECT substring(bytes FROM $3::int + 1 FOR $4::int) AS part FROM artifact_chunks WHERE sha256 = $1 AND index = $2',
      [part.sha, part.index, part.first, part.length],
    );
    const chunk = rows[0]?.part;
    if (chunk === undefined) throw gone(part.sha); // removed while it was read
    invariant(chunk.length === part.length, () => `chunk ${part.index} of ${part.sha} is ${chunk.length} bytes short`);
    return chunk;
  } catch (error) {
    throw toDatabaseError(error);
  }
}

function gone(sha: string): BespokeError {
  return new BespokeError('not-found', `There is no artifact with sha256 ${JSON.stringify(sha.slice(0, 80))}.`);
}

/**
 * Holds everybody else who adds or removes this artifact until the transaction ends:
 * without it, one could refer to bytes that another is about to remove.
 */
async function lockArtifact(tx: Transaction, sha: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${sha}, 0))`;
}

/**
 * Writes the bytes within the transaction, in chunks, unless they are there already.
 * @returns the hash to refer to
 */
export async function addArtifact(tx: Transaction, info: ArtifactInfo, model: Uint8Array): Promise<Sha256> {
  const sha = sha256(model);
  invariant(sha === info.sha256 && model.length === info.bytes, () => {
    return `the report says ${info.bytes} bytes of sha256 ${info.sha256}, the model has ${model.length} of ${sha}`;
  });
  await lockArtifact(tx, sha);
  if ((await tx.artifact.findUnique({ where: { sha256: sha }, select: { sha256: true } })) !== null) return sha;
  const { bytes, opset, exporterRevision } = info;
  await tx.artifact.create({ data: { sha256: sha, bytes, opset, exporterRevision } });
  for (let index = 0; index * CHUNK_BYTES < model.length; index++) {
    const chunk = model.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
    await tx.$executeRaw`INSERT INTO artifact_chunks (sha256, index, bytes) VALUES (${sha}, ${index}, ${chunk})`;
  }
  return sha;
}

/** Removes the bytes within the transaction if no row refers to them any more. */
export async function removeUnreferenced(tx: Transaction, sha: string): Promise<void> {
  await lockArtifact(tx, sha);
  // A statement of its own, after the lock: it sees what the former holder of the lock committed.
  await tx.$executeRaw`
    DELETE FROM artifacts
    WHERE sha256 = ${sha} AND NOT EXISTS (SELECT 1 FROM specializations WHERE artifact_sha = ${sha})`;
}
