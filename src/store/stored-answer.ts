import type { Prisma, PrismaClient, Specialization } from '../generated/prisma/client.js';
import type { Report, SpecializationRequest } from '../specialize/types.js';
import { fromJson, type StoredRow, toJson } from './rows.js';

/** A row to be inserted: the columns that a new request has, whatever becomes of it. */
export type NewRow = Prisma.SpecializationCreateInput & { readonly answerKey: string };

/**
 * The newest answer with a key, held against removal until the transaction ends; one that was searched for itself comes before one that
 * was given a stored answer.
 */
async function holdSource(
  tx: Prisma.TransactionClient,
  answerKey: string,
): Promise<{ readonly id: string } | undefined> {
  const [source] = await tx.$queryRaw<{ readonly id: string }[]>`
    SELECT id FROM specializations
    WHERE answer_key = ${answerKey} AND status = 'succeeded'
    ORDER BY stored_answer_of IS NULL DESC, created_at DESC
    LIMIT 1 FOR SHARE`;
  return source;
}

/**
 * Inserts a row that has succeeded with the answer of an earlier one, if there is one with its key: the same result, report and model,
 * under its own id, labels and time.
 * @returns undefined where no earlier row answers it
 */
export function insertAnswered(
  prisma: PrismaClient,
  data: NewRow,
  request: SpecializationRequest,
): Promise<StoredRow | undefined> {
  return prisma.$transaction(async (tx) => {
    const found = await findAnswer(tx, data.answerKey, request);
    if (found === undefined) return undefined;
    const row = await tx.specialization.create({ data: { ...data, request: toJson(found.asked) } });
    return tx.specialization.update({
      where: { id: row.id },
      data: { ...answered(found, row), finishedAt: row.createdAt },
      omit: { report: true, searchFront: true },
    });
  });
}

interface FoundAnswer {
  readonly source: Specialization;
  /** The source's request, its own warm start included, which its answer came from (not the fronts that are newest now), with the labels of who asks. */
  readonly asked: SpecializationRequest;
}

/** The answer of an earlier row to a request with the same key; undefined: there is none. */
export async function findAnswer(
  tx: Prisma.TransactionClient,
  answerKey: string,
  { labels }: SpecializationRequest,
): Promise<FoundAnswer | undefined> {
  const held = await holdSource(tx, answerKey);
  if (held === undefined) return undefined;
  const source = await tx.specialization.findUniqueOrThrow({ where: { id: held.id } });
  return { source, asked: { ...fromJson<SpecializationRequest>(source.request), labels } };
}

/** What a row takes over from the one whose answer it is given. */
export function answered({ source, asked }: FoundAnswer, row: { readonly id: string; readonly createdAt: Date }) {
  const report: Report = {
    ...fromJson<Report>(source.report),
    id: row.id,
    createdAt: row.createdAt.toISOString(),
    request: asked,
    storedAnswerOf: source.id,
  };
  return {
    status: source.status,
    request: toJson(asked),
    progress: 1,
    result: toJson(fromJson<object>(source.result)),
    report: toJson(report),
    archId: source.archId,
    measuredTop1: source.measuredTop1,
    latencyMs: source.latencyMs,
    macs: source.macs,
    artifactSha: source.artifactSha,
    storedAnswerOf: source.id,
  };
}
