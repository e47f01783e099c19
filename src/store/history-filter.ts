import { BespokeError } from '../common/errors.js';
import type { Prisma } from '../generated/prisma/client.js';
import type { HistoryFilter } from '../specialize/ports.js';
import type { Position } from './cursor.js';

/** The largest value of PostgreSQL's bigint. */
const MAX_BIGINT = 2n ** 63n - 1n;

/** The condition that all given filters hold. */
export function whereOf(filter: HistoryFilter): Prisma.SpecializationWhereInput {
  const conditions: Prisma.SpecializationWhereInput[] = [];
  const { hardwareId, supernetId, status, archId, minTop1, maxLatencyMs, maxMacs } = filter;
  if (hardwareId !== undefined) conditions.push({ hardwareId });
  if (supernetId !== undefined) conditions.push({ supernetId });
  if (status !== undefined) conditions.push({ status });
  if (archId !== undefined) conditions.push({ archId });
  if (minTop1 !== undefined) conditions.push({ measuredTop1: { gte: minTop1 } });
  if (maxLatencyMs !== undefined) conditions.push({ latencyMs: { lte: maxLatencyMs } });
  if (maxMacs !== undefined) conditions.push({ macs: { lte: wholeMacs(maxMacs) } });
  if (filter.createdAfter !== undefined)
    conditions.push({ createdAt: { gt: time('createdAfter', filter.createdAfter) } });
  if (filter.createdBefore !== undefined)
    conditions.push({ createdAt: { lt: time('createdBefore', filter.createdBefore) } });
  for (const [key, value] of Object.entries(filter.labels ?? {}))
    conditions.push({ labels: { path: [key], equals: value } });
  return { AND: conditions };
}

/** The condition that a row comes after `position`, newest first. */
export function after({ createdAt, id }: Position): Prisma.SpecializationWhereInput {
  // The first condition alone is an index range; the second settles equal times.
  return { AND: [{ createdAt: { lte: createdAt } }, { OR: [{ createdAt: { lt: createdAt } }, { id: { lt: id } }] }] };
}

function wholeMacs(bound: number): bigint {
  if (bound >= Number(MAX_BIGINT)) return MAX_BIGINT;
  return BigInt(Math.floor(Math.max(bound, -1)));
}

function time(name: string, text: string): Date {
  const date = new Date(text);
  if (!Number.isNaN(date.getTime())) return date;
  const detail = `${name} must be an RFC 3339 time such as 2026-01-31T12:00:00Z, got ${JSON.stringify(text.slice(0, 80))}`;
  throw new BespokeError('invalid-request', `${detail}.`, { errors: [{ pointer: name, detail }] });
}
