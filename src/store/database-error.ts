import { BespokeError } from '../common/errors.js';

/** When to try again after a lost connection; the embedded server is back within about a second, others within a few. */
const RETRY_AFTER_SECONDS = 5;

/** Node's and libuv's codes of a connection that cannot be made or that broke. */
const SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/**
 * SQLSTATEs (PostgreSQL, appendix A) of a server that is away, starting, stopping or full of connections,
 * of a refused login (class 28), and of a database that does not exist (3D000).
 */
const UNAVAILABLE_SQLSTATE = /^(08|28|57P|3D000|53300|25006)/;

/** Prisma's codes: unreachable, timed out, closed, no connection free, no transaction in time, transaction lost with its connection. */
const PRISMA_CODES = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
]);

/** Kinds of driver-adapter errors that mean the same. */
const ADAPTER_KINDS = new Set([
  'DatabaseNotReachable',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
  'AuthenticationFailed',
  'ConnectionClosed',
  'TlsConnectionError',
  'TooManyConnections',
  'SocketTimeout',
]);

/** Messages of `pg` that come without a code (pg 8: client.js, pg-pool's index.js). */
const PG_MESSAGES =
  /Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|not queryable|Query read timeout/;

/** SQLSTATEs of a disk that is full or that fails. */
const STORAGE_SQLSTATE = /^(53100|58030)$/;

/** SQLSTATEs of text that PostgreSQL cannot hold: a NUL character, an escape that is no character. */
const TEXT_SQLSTATE = /^(22021|22P05)$/;

interface Facts {
  readonly codes: readonly string[];
  readonly kinds: readonly string[];
  readonly messages: readonly string[];
}

/** Levels of `cause` and `meta` that are looked through; Prisma wraps a driver's error about three deep. */
const MAX_DEPTH = 6;

function text(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : [];
}

/** Everything an error and its causes say about themselves, however Prisma or pg wrapped them. */
function factsOf(error: unknown, depth = 0): Facts {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return { codes: [], kinds: [], messages: [] };
  const fields = error as Record<string, unknown>; // any object may be thrown; every field is checked before use
  const inner = [fields.cause, fields.meta, fields.driverAdapterError, fields.error].map((next) =>
    factsOf(next, depth + 1),
  );
  return {
    codes: [...text(fields.code), ...text(fields.originalCode), ...inner.flatMap((facts) => facts.codes)],
    kinds: [...text(fields.kind), ...inner.flatMap((facts) => facts.kinds)],
    messages: [...text(fields.message), ...text(fields.originalMessage), ...inner.flatMap((facts) => facts.messages)],
  };
}

/**
 * What the database's failure means to a user; anything unknown is given back as it is.
 * @returns `database-unavailable` with a time to retry, `storage-failed` for a full disk, `invalid-request` for text with a NUL character
 */
export function toDatabaseError(error: unknown): unknown {
  if (error instanceof BespokeError) return error;
  const { codes, kinds, messages } = factsOf(error);
  if (codes.some((code) => STORAGE_SQLSTATE.test(code)))
    return new BespokeError('storage-failed', 'The database could not write: its disk is full or fails.', {}, error);
  if (codes.some((code) => TEXT_SQLSTATE.test(code)))
    return new BespokeError('invalid-request', 'Text must not hold the character U+0000; one was given.', {}, error);
  const away =
    codes.some((code) => SOCKET_CODES.has(code) || PRISMA_CODES.has(code) || UNAVAILABLE_SQLSTATE.test(code)) ||
    kinds.some((kind) => ADAPTER_KINDS.has(kind)) ||
    messages.some((message) => PG_MESSAGES.test(message));
  if (!away) return error;
  return new BespokeError(
    'database-unavailable',
    'The database does not answer; the request can be repeated as it is.',
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
    error,
  );
}

/** Runs a piece of database work; its failures come out as {@link toDatabaseError} says. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toDatabaseError(error);
  }
}
