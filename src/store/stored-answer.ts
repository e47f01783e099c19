import type { Prisma, PrismaClient } from '../generated/prisma/client.js';
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
    const held = await holdSource(tx, data.answerKey);
    if (held === undefined) return undefined;
    const source = await tx.specialization.findUniqueOrThrow({ where: { id: held.id } });
    // The source's own warm start, which its answer came from, and not the fronts that are newest now.
    const asked = { ...fromJson<SpecializationRequest>(source.request), labels: request.labels };
    const row = await tx.specialization.create({ data: { ...data, request: toJson(asked) } });
    const report: Report = {
      ...fromJson<Report>(source.report),
      id: row.id,
      createdAt: row.createdAt.toISOString(),
      request: asked,
      storedAnswerOf: held.id,
    };
    return tx.specialization.update({
      where: { id: row.id },
      data: {
        status: source.status,
        progress: 1,
        finishedAt: row.createdAt,
        result: toJson(fromJson<object>(source.result)),
        report: toJson(report),
        archId: source.archId,
        measuredTop1: source.measuredTop1,
        latencyMs: source.latencyMs,
        macs: source.macs,
        artifactSha: source.artifactSha,
        storedAnswerOf: held.id,
      },
      omit: { report: true, searchFront: true },
    });
  });
}
