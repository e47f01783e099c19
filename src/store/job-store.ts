import type { Problem } from '../common/errors.js';
import { Prisma, type PrismaClient } from '../generated/prisma/client.js';
import type { Claim, EarlierFront, JobStore } from '../specialize/ports.js';
import type { JobProgress, Outcome, Report, SpecializationRequest } from '../specialize/types.js';
import { addArtifact } from './artifact-store.js';
import { isUuid } from './cursor.js';
import { guarded } from './database-error.js';
import { filterColumns, fromJson, resultOf, toJson } from './rows.js';
import { answered, findAnswer } from './stored-answer.js';
import { move } from './transitions.js';

/** Time for the transaction that writes an artifact, ms; 20 MB take about 0.5 s on two busy cores. */
const FINISH_TIMEOUT_MS = 60_000;

/** How long a finish waits for a free connection, ms: its work would be lost otherwise. */
const FINISH_WAIT_MS = 10_000;

/** Ids that one sweep hands back at most; the oldest first, the next sweep brings the rest. */
const SWEEP_LIMIT = 1000;

type Transaction = Prisma.TransactionClient;

/** The rows as a worker sees them, in PostgreSQL; leases run on the database's clock. */
export function makeJobStore(prisma: PrismaClient): JobStore {
  return {
    claim: (id, workerId, leaseMs, supernetIds) => guarded(() => claim(prisma, { id, workerId, leaseMs, supernetIds })),
    heartbeat: (id, attempt, leaseMs, progress) => guarded(() => heartbeat(prisma, { id, attempt, leaseMs, progress })),
    cancelRequested: (id, attempt) => guarded(() => cancelRequested(prisma, id, attempt)),
    finishStored: (id, attempt) => guarded(() => prisma.$transaction((tx) => finishStored(tx, id, attempt))),
    finish: (id, attempt, outcome) =>
      guarded(() =>
        prisma.$transaction((tx) => finish(tx, { id, attempt, outcome }), {
          timeout: FINISH_TIMEOUT_MS,
          maxWait: FINISH_WAIT_MS,
        }),
      ),
    finishCanceled: (id, attempt) => guarded(() => finishCanceled(prisma, id, attempt)),
    release: (id, attempt) => guarded(() => release(prisma, id, attempt)),
    sweep: (maxAttempts, problem, supernetIds) =>
      guarded(() => prisma.$transaction((tx) => sweep(tx, { maxAttempts, problem, supernetIds }))),
  };
}

/** Ends the leases of all running jobs. @throws BespokeError `database-unavailable` */
export async function endLeases(prisma: PrismaClient): Promise<void> {
  const { from } = move('running', 'queued');
  await guarded(
    () => prisma.$executeRaw`
      UPDATE specializations SET lease_expires_at = now() - interval '1 second'
      WHERE status = ${from}::specialization_status`,
  );
}

interface Claiming {
  readonly id: string;
  readonly workerId: string;
  readonly leaseMs: number;
  readonly supernetIds: readonly string[] | undefined;
}

async function claim(
  prisma: PrismaClient,
  { id, workerId, leaseMs, supernetIds }: Claiming,
): Promise<Claim | undefined> {
  if (!isUuid(id)) return undefined;
  const { from, to } = move('queued', 'running');
  const served = supernetIds ?? null;
  const [taken] = await prisma.$queryRaw<
    { readonly attempt: number; readonly request: unknown; readonly created_at: Date }[]
  >`
    UPDATE specializations SET
      status = ${to}::specialization_status, attempt = attempt + 1, worker_id = ${workerId},
      lease_expires_at = now() + make_interval(secs => ${leaseMs / 1000}::float8),
      started_at = coalesce(started_at, now()), stage = NULL, progress = 0, search_front = NULL
    WHERE id = ${id}::uuid AND status = ${from}::specialization_status
      AND (${served}::text[] IS NULL OR supernet_id = ANY (${served}::text[]))
    RETURNING attempt, request, created_at`;
  if (taken === undefined) return undefined;
  const request = fromJson<SpecializationRequest>(taken.request);
  const earlierFronts = await readFronts(prisma, request.search.warmStart ?? []);
  return {
    id,
    attempt: taken.attempt,
    request,
    createdAt: taken.created_at.toISOString(),
    ...(earlierFronts.length === 0 ? {} : { earlierFronts }),
  };
}

/** The fronts of earlier rows, in the order given; a row that is gone has none. */
async function readFronts(prisma: PrismaClient, ids: readonly string[]): Promise<EarlierFront[]> {
  const fronts: EarlierFront[] = [];
  for (const id of ids) {
    const stored = await prisma.specialization.findUnique({ where: { id }, select: { report: true } });
    const report = fromJson<Report | null | undefined>(stored?.report);
    if (report) fronts.push({ id, archs: report.paretoFront.map(({ arch }) => arch) });
  }
  return fronts;
}

async function heartbeat(
  prisma: PrismaClient,
  beat: { readonly id: string; readonly attempt: number; readonly leaseMs: number; readonly progress: JobProgress },
): Promise<{ readonly lost: boolean; readonly cancelRequested: boolean }> {
  if (!isUuid(beat.id)) return { lost: true, cancelRequested: false };
  const fraction = Math.min(Math.max(beat.progress.fraction, 0), 1);
  const front = beat.progress.front === undefined ? null : JSON.stringify(beat.progress.front);
  const [held] = await prisma.$queryRaw<{ readonly cancel_requested: boolean }[]>`
    UPDATE specializations SET
      lease_expires_at = now() + make_interval(secs => ${beat.leaseMs / 1000}::float8),
      stage = ${beat.progress.stage}, progress = ${fraction}::float8,
      search_front = coalesce(${front}::json, search_front)
    WHERE id = ${beat.id}::uuid AND attempt = ${beat.attempt} AND status = 'running'
    RETURNING cancel_requested`;
  return { lost: held === undefined, cancelRequested: held?.cancel_requested ?? false };
}

async function cancelRequested(prisma: PrismaClient, id: string, attempt: number): Promise<boolean> {
  if (!isUuid(id)) return false;
  const [row] = await prisma.$queryRaw<{ readonly cancel_requested: boolean }[]>`
    SELECT cancel_requested FROM specializations WHERE id = ${id}::uuid AND attempt = ${attempt}`;
  return row?.cancel_requested ?? false;
}

async function finishStored(tx: Transaction, id: string, attempt: number): Promise<boolean> {
  if (!isUuid(id)) return false;
  const { from, to } = move('running', 'succeeded');
  const where = { id, attempt, status: from, cancelRequested: false, isFresh: false };
  const row = await tx.specialization.findFirst({ where, omit: { report: true, searchFront: true } });
  if (row === null || row.answerKey === null) return false;
  const found = await findAnswer(tx, row.answerKey, fromJson<SpecializationRequest>(row.request));
  if (found === undefined) return false;
  const data = { ...answered(found, row), ...ended(await now(tx)), status: to };
  return (await tx.specialization.updateMany({ where, data })).count === 1;
}

interface Finish {
  readonly id: string;
  readonly attempt: number;
  readonly outcome: Outcome;
}

async function finish(tx: Transaction, { id, attempt, outcome }: Finish): Promise<boolean> {
  const held = await hold(tx, id, attempt);
  if (held === undefined) return false;
  // A cancel that was answered is kept, however late it came.
  if (held.cancel_requested) return finishCanceled(tx, id, attempt);
  if (outcome.status === 'failed') {
    const { from, to } = move('running', 'failed');
    const { count } = await tx.specialization.updateMany({
      where: { id, attempt, status: from },
      data: { ...ended(await now(tx)), status: to, problem: toJson(outcome.problem) },
    });
    return count === 1;
  }
  const { report, model } = outcome;
  const artifactSha = await addArtifact(tx, report.artifact, model);
  const { from, to } = move('running', 'succeeded');
  const { count } = await tx.specialization.updateMany({
    where: { id, attempt, status: from },
    data: {
      ...ended(await now(tx)),
      ...filterColumns(report),
      status: to,
      progress: 1,
      artifactSha,
      // What a time limit cut short depends on how busy the machine was: it is no answer to anybody else.
      ...(isCutShort(report) && { answerKey: null }),
      report: toJson(report),
      result: toJson(resultOf(report)),
    },
  });
  return count === 1;
}

/** Whether a time limit ended any of its searches early. */
function isCutShort({ searchCutShort, moreBudget = [] }: Report): boolean {
  return searchCutShort || moreBudget.some(({ why }) => why !== undefined);
}

/** Locks the row if this attempt still holds it: from here to the end of the transaction no other can take it. */
async function hold(
  tx: Transaction,
  id: string,
  attempt: number,
): Promise<{ readonly cancel_requested: boolean } | undefined> {
  if (!isUuid(id)) return undefined;
  const [held] = await tx.$queryRaw<{ readonly cancel_requested: boolean }[]>`
    SELECT cancel_requested FROM specializations
    WHERE id = ${id}::uuid AND attempt = ${attempt} AND status = 'running' FOR UPDATE`;
  return held;
}

/** The database's clock, as every other time in the row. */
async function now(tx: Transaction): Promise<Date> {
  const [row] = await tx.$queryRaw<{ readonly now: Date }[]>`SELECT clock_timestamp() AS now`;
  return row?.now ?? new Date();
}

/** What every finished row has: no holder, no stage, a time. */
function ended(finishedAt: Date) {
  return { finishedAt, stage: null, workerId: null, leaseExpiresAt: null, searchFront: Prisma.DbNull } as const;
}

async function finishCanceled(prisma: PrismaClient | Transaction, id: string, attempt: number): Promise<boolean> {
  if (!isUuid(id)) return false;
  const { from, to } = move('running', 'canceled');
  const count = await prisma.$executeRaw`
    UPDATE specializations SET
      status = ${to}::specialization_status, cancel_requested = true, finished_at = now(),
      stage = NULL, worker_id = NULL, lease_expires_at = NULL, search_front = NULL
    WHERE id = ${id}::uuid AND attempt = ${attempt} AND status = ${from}::specialization_status`;
  return count === 1;
}

/** A job that was to be canceled does not wait again: it is canceled here. */
async function release(prisma: PrismaClient, id: string, attempt: number): Promise<boolean> {
  if (!isUuid(id)) return false;
  const { from, to } = move('running', 'queued');
  const canceled = move('running', 'canceled');
  const count = await prisma.$executeRaw`
    UPDATE specializations SET
      status = (CASE WHEN cancel_requested THEN ${canceled.to} ELSE ${to} END)::specialization_status,
      finished_at = CASE WHEN cancel_requested THEN now() END,
      stage = NULL, progress = 0, worker_id = NULL, lease_expires_at = NULL
    WHERE id = ${id}::uuid AND attempt = ${attempt} AND status = ${from}::specialization_status`;
  return count === 1;
}

interface Sweeping {
  readonly maxAttempts: number;
  readonly problem: Problem;
  readonly supernetIds: readonly string[] | undefined;
}

/** A lost lease counts as a failed attempt, a released one does not: a worker that shuts down says nothing about the job. */
async function sweep(tx: Transaction, { maxAttempts, problem, supernetIds }: Sweeping): Promise<readonly string[]> {
  const requeued = move('running', 'queued');
  const failed = move('running', 'failed');
  const canceled = move('running', 'canceled');
  await tx.$executeRaw`
    WITH lost AS (
      SELECT id, CASE
          WHEN cancel_requested THEN ${canceled.to}
          WHEN lost_leases + 1 >= ${maxAttempts} THEN ${failed.to}
          ELSE ${requeued.to}
        END::specialization_status AS next
      FROM specializations
      WHERE status = ${requeued.from}::specialization_status AND lease_expires_at < now()
      FOR UPDATE SKIP LOCKED)
    UPDATE specializations AS row SET
      status = next, lost_leases = lost_leases + 1,
      finished_at = CASE WHEN next <> ${requeued.to}::specialization_status THEN now() END,
      problem = CASE WHEN next = ${failed.to}::specialization_status THEN ${JSON.stringify(problem)}::json END,
      stage = NULL, progress = 0, worker_id = NULL, lease_expires_at = NULL
    FROM lost WHERE row.id = lost.id`;
  const waiting = await tx.specialization.findMany({
    where: { status: requeued.to, ...(supernetIds !== undefined && { supernetId: { in: [...supernetIds] } }) },
    orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
    take: SWEEP_LIMIT,
    select: { id: true },
  });
  return waiting.map(({ id }) => id);
}
