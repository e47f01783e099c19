import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { Prisma, type PrismaClient } from '../generated/prisma/client.js';
import type { AnswerKey, HistoryFilter, HistoryPage, Idempotency, SpecializationStore } from '../specialize/ports.js';
import {
  type Report,
  type SearchFront,
  type SpecializationRequest,
  type SpecializationRow,
  STATUSES,
  type Status,
} from '../specialize/types.js';
import { removeUnreferenced } from './artifact-store.js';
import { decodeCursor, encodeCursor, isUuid } from './cursor.js';
import { guarded } from './database-error.js';
import { after, whereOf } from './history-filter.js';
import { fromJson, type StoredRow, toJson, toRow } from './rows.js';
import { insertAnswered } from './stored-answer.js';
import { FINISHED_STATUSES, move } from './transitions.js';

/** How long an idempotency key binds its first answer (api.md). */
const IDEMPOTENCY_HOURS = 24;

/** Prisma's code of a broken unique constraint. */
const UNIQUE_VIOLATION = 'P2002';

/** A key can only be freed between two looks by a removal of its row; that does not happen often in a row. */
const MAX_CREATE_TRIES = 5;

/** The columns that are large and read on their own. */
const LIGHT = { report: true, searchFront: true } as const;

type Created = { readonly row: SpecializationRow; readonly created: boolean };

/** The rows as the API and the CLI see them, in PostgreSQL. */
export function makeSpecializationStore(prisma: PrismaClient): SpecializationStore {
  return {
    create: (request, idempotency, answer) =>
      guarded(() =>
        idempotency === undefined
          ? insert(prisma, { request, answer })
          : createOnce(prisma, { request, answer, idempotency }),
      ),
    repeated: (idempotency) => guarded(() => repeated(prisma, idempotency)),
    get: (id) => guarded(() => find(prisma, id)),
    list: (filter, page) => guarded(() => list(prisma, filter, page)),
    report: (id) => guarded(() => report(prisma, id)),
    withFronts: (frontKey, limit, among) => guarded(() => withFronts(prisma, { frontKey, limit, among })),
    searchFront: (id) => guarded(() => searchFront(prisma, id)),
    requestCancel: (id) => guarded(() => requestCancel(prisma, id)),
    remove: (id) => guarded(() => remove(prisma, id)),
    countByStatus: () => guarded(() => countByStatus(prisma)),
  };
}

interface Creating {
  readonly request: SpecializationRequest;
  readonly answer: AnswerKey | undefined;
  readonly idempotency?: Idempotency;
}

async function insert(prisma: PrismaClient, { request, answer, idempotency }: Creating): Promise<Created> {
  const data = {
    request: toJson(request),
    supernetId: request.supernetId,
    hardwareId: request.hardwareId,
    labels: { ...request.labels },
    ...(idempotency && {
      idempotencyKey: idempotency.key,
      idempotencyBodyHash: idempotency.bodyHash,
    }),
  };
  if (answer === undefined) return created(await prisma.specialization.create({ data, omit: LIGHT }));
  const { key: answerKey, frontKey, isFresh } = answer;
  const keyed = { ...data, answerKey, frontKey, isFresh };
  const answered = isFresh ? undefined : await insertAnswered(prisma, keyed, request);
  return created(answered ?? (await prisma.specialization.create({ data: keyed, omit: LIGHT })));
}

const created = (stored: StoredRow): Created => ({ row: toRow(stored), created: true });

/** The unique constraint decides between two creates with one key: one inserts, the other reads what it inserted. */
async function createOnce(
  prisma: PrismaClient,
  creating: Creating & { readonly idempotency: Idempotency },
): Promise<Created> {
  const { idempotency } = creating;
  for (let tries = 0; tries < MAX_CREATE_TRIES; tries++) {
    const known = await repeated(prisma, idempotency);
    if (known !== undefined) return { row: known, created: false };
    try {
      return await insert(prisma, creating);
    } catch (error) {
      const isTaken = error instanceof Prisma.PrismaClientKnownRequestError && error.code === UNIQUE_VIOLATION;
      if (!isTaken) throw error;
    }
  }
  throw new BespokeError(
    'conflict',
    `Idempotency-Key ${JSON.stringify(idempotency.key)} is being used and freed by other requests at this moment.`,
  );
}

/** The row of a key within its window; a key that is past it is freed first. By the database's clock. */
async function findByKey(prisma: PrismaClient, key: string): Promise<StoredRow | null> {
  await prisma.$executeRaw`
    UPDATE specializations SET idempotency_key = NULL
    WHERE idempotency_key = ${key} AND created_at <= now() - make_interval(hours => ${IDEMPOTENCY_HOURS})`;
  return prisma.specialization.findUnique({ where: { idempotencyKey: key }, omit: LIGHT });
}

async function repeated(prisma: PrismaClient, idempotency: Idempotency): Promise<SpecializationRow | undefined> {
  const known = await findByKey(prisma, idempotency.key);
  return known === null ? undefined : sameBody(known, idempotency);
}

function sameBody(known: StoredRow, { key, bodyHash }: Idempotency): SpecializationRow {
  if (known.idempotencyBodyHash === bodyHash) return toRow(known);
  throw new BespokeError(
    'conflict',
    `Idempotency-Key ${JSON.stringify(key)} was used for specialization ${known.id} with another body less than ${IDEMPOTENCY_HOURS} h ago; send that body, or another key.`,
  );
}

async function find(prisma: PrismaClient, id: string): Promise<SpecializationRow | undefined> {
  if (!isUuid(id)) return undefined;
  const stored = await prisma.specialization.findUnique({ where: { id }, omit: LIGHT });
  return stored === null ? undefined : toRow(stored);
}

async function list(
  prisma: PrismaClient,
  filter: HistoryFilter,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string },
): Promise<HistoryPage> {
  invariant(Number.isInteger(limit) && limit > 0, () => `limit must be a positive integer, got ${limit}`);
  const where = whereOf(filter);
  const stored = await prisma.specialization.findMany({
    where: cursor === undefined ? where : { AND: [where, after(decodeCursor(cursor))] },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: limit + 1, // one more tells whether there is a next page
    omit: LIGHT,
  });
  const rows = stored.slice(0, limit);
  const last = rows.at(-1);
  const hasNext = stored.length > limit && last !== undefined;
  return { rows: rows.map(toRow), ...(hasNext && { nextCursor: encodeCursor(last) }) };
}

async function report(prisma: PrismaClient, id: string): Promise<Report | undefined> {
  if (!isUuid(id)) return undefined;
  const stored = await prisma.specialization.findUnique({ where: { id }, select: { report: true } });
  return fromJson<Report | null | undefined>(stored?.report) ?? undefined;
}

async function withFronts(
  prisma: PrismaClient,
  { frontKey, limit, among }: { frontKey: string; limit: number; among: readonly string[] | undefined },
): Promise<readonly string[]> {
  const asked = among?.filter(isUuid);
  const rows = await prisma.specialization.findMany({
    where: {
      frontKey,
      status: 'succeeded',
      ...(asked === undefined ? { storedAnswerOf: null } : { id: { in: asked } }),
    },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: limit,
    select: { id: true },
  });
  const found = rows.map(({ id }) => id);
  return asked === undefined ? found : asked.filter((id) => found.includes(id));
}

async function searchFront(prisma: PrismaClient, id: string): Promise<SearchFront | undefined> {
  if (!isUuid(id)) return undefined;
  const stored = await prisma.specialization.findUnique({ where: { id }, select: { searchFront: true } });
  return fromJson<SearchFront | null | undefined>(stored?.searchFront) ?? undefined;
}

/** One statement for both cases, so that a lost lease in between cannot hide the row from it. */
async function requestCancel(prisma: PrismaClient, id: string): Promise<SpecializationRow | undefined> {
  if (!isUuid(id)) return undefined;
  const atOnce = move('queued', 'canceled');
  await prisma.$executeRaw`
    UPDATE specializations SET
      cancel_requested = true,
      finished_at = CASE WHEN status::text = ${atOnce.from} THEN now() END,
      status = CASE WHEN status::text = ${atOnce.from} THEN ${atOnce.to}::specialization_status ELSE status END
    WHERE id = ${id}::uuid AND status <> ALL (${FINISHED_STATUSES}::specialization_status[])`;
  return find(prisma, id);
}

async function remove(prisma: PrismaClient, id: string): Promise<boolean> {
  if (!isUuid(id)) return false;
  return prisma.$transaction(async (tx) => {
    const gone = await tx.$queryRaw<{ readonly artifact_sha: string | null }[]>`
      DELETE FROM specializations
      WHERE id = ${id}::uuid AND status = ANY (${FINISHED_STATUSES}::specialization_status[])
      RETURNING artifact_sha`;
    const removed = gone[0];
    if (removed !== undefined) {
      if (removed.artifact_sha !== null) await removeUnreferenced(tx, removed.artifact_sha);
      return true;
    }
    const kept = await tx.specialization.findUnique({ where: { id }, select: { status: true } });
    if (kept === null) return false;
    throw new BespokeError(
      'conflict',
      `Specialization ${id} is ${kept.status}; only a finished one can be removed: cancel it first.`,
    );
  });
}

async function countByStatus(prisma: PrismaClient): Promise<Readonly<Record<Status, number>>> {
  const groups = await prisma.specialization.groupBy({ by: ['status'], _count: { _all: true } });
  const counts = new Map<Status, number>(groups.map(({ status, _count }) => [status, _count._all]));
  // One entry per status by construction.
  return Object.fromEntries(STATUSES.map((status) => [status, counts.get(status) ?? 0])) as Record<Status, number>;
}
