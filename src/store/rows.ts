import type { Problem } from '../common/errors.js';
import type { Prisma, Specialization } from '../generated/prisma/client.js';
import type {
  Report,
  SpecializationRequest,
  SpecializationResult,
  SpecializationRow,
  Stage,
} from '../specialize/types.js';

/** A row without its heavy columns. */
export type StoredRow = Omit<Specialization, 'report' | 'searchFront'>;

/**
 * The row as the API shows it. The JSON columns are read as the types they were written from:
 * only this room writes them, from those types.
 */
export function toRow(stored: StoredRow): SpecializationRow {
  return {
    id: stored.id,
    status: stored.status,
    stage: stored.stage as Stage | null,
    progress: stored.progress,
    attempt: stored.attempt,
    request: fromJson<SpecializationRequest>(stored.request),
    createdAt: stored.createdAt.toISOString(),
    startedAt: stored.startedAt?.toISOString() ?? null,
    finishedAt: stored.finishedAt?.toISOString() ?? null,
    problem: fromJson<Problem | null>(stored.problem),
    result: fromJson<SpecializationResult | null>(stored.result),
    cancelRequested: stored.cancelRequested,
    storedAnswerOf: stored.storedAnswerOf,
  };
}

/** A JSON column as the type it was written from (a parse point: the cast is the reading). */
export function fromJson<T>(value: unknown): T {
  return value as T;
}

/** A record of ours as Prisma's JSON input: its type wants an index signature, which interfaces lack. */
export function toJson(record: object): Prisma.InputJsonObject {
  return record as Prisma.InputJsonObject;
}

/** The figures that a succeeded row keeps beside its report. */
export function resultOf(report: Report): SpecializationResult {
  const { delivered, measured, checks, artifact, searchCutShort, moreBudget } = report;
  return {
    arch: delivered.arch,
    archId: delivered.archId,
    predicted: delivered,
    measured,
    checks,
    artifact,
    searchCutShort,
    ...(moreBudget === undefined ? {} : { moreBudget }),
  };
}

/** The columns that the history is filtered by, out of a report. */
export function filterColumns(report: Report): {
  readonly archId: string;
  readonly measuredTop1: number | null;
  readonly latencyMs: number | null;
  readonly macs: bigint;
} {
  const { delivered, measured } = report;
  return {
    archId: delivered.archId,
    measuredTop1: measured.measuredTop1 ?? null,
    latencyMs: measured.measuredLatency?.valueMs ?? delivered.predictedLatencyMs ?? null,
    macs: BigInt(measured.macs),
  };
}
