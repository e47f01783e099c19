/**
 * The stable error codes: one table, used for HTTP problems, exit codes and stored job failures.
 * `status` is the HTTP status; a code that only a job can end with has the status its problem is shown with.
 */
export const ERROR_TABLE = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'A valid API key is needed' },
  forbidden: { status: 403, title: 'The key does not allow this' },
  'not-found': { status: 404, title: 'There is no such resource' },
  'method-not-allowed': { status: 405, title: 'This path does not take this method' },
  'not-acceptable': { status: 406, title: 'None of the accepted media types can be given' },
  conflict: { status: 409, title: 'The request conflicts with the current state' },
  'payload-too-large': { status: 413, title: 'The request body is too large' },
  'unsupported-media-type': { status: 415, title: 'The media type of the body is not read' },
  'range-not-satisfiable': { status: 416, title: 'The byte range lies beyond the file' },
  'arch-out-of-space': { status: 422, title: 'The architecture is not in the search space' },
  'infeasible-constraints': { status: 422, title: 'No architecture meets the constraints' },
  'no-latency-data': { status: 422, title: 'The hardware type has no latency model for this space' },
  'no-predictor': { status: 422, title: 'The supernet has no accuracy predictor' },
  'verification-failed': { status: 422, title: 'No candidate passed its checks' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong here' },
  'storage-failed': { status: 503, title: 'The data folder cannot be written' },
  'bundle-invalid': { status: 503, title: 'A supernet bundle cannot be loaded' },
  'queue-unavailable': { status: 503, title: 'The queue cannot be reached' },
  'database-unavailable': { status: 503, title: 'The database cannot be reached' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERROR_TABLE;

/** One place in a request that broke a rule; `pointer` is an RFC 6901 JSON pointer (or a query parameter's name). */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** What an error carries beside its code and sentence; every field is JSON and safe to show a client. */
export interface ErrorExtras {
  readonly errors?: readonly FieldError[];
  /** Constraints that cannot be met, by their request names (`maxLatencyMs`, `maxMacs`, ...). */
  readonly binding?: readonly string[];
  /** Per constraint name, the nearest value that can be met (each alone, the others as asked). */
  readonly nearestFeasible?: Readonly<Record<string, number>>;
  /** Per constraint name, its smallest value if nothing else were limited. */
  readonly smallestAlone?: Readonly<Record<string, number>>;
  /** Checks of a failed verification, as in the report. */
  readonly checks?: readonly unknown[];
  readonly retryAfterSeconds?: number;
}

/**
 * An expected failure: bad input, an answer that does not exist, a service that is away.
 * `detail` is one clear sentence: where, the rule, what was given, what would be accepted.
 */
export class BespokeError extends Error {
  readonly code: ErrorCode;
  readonly extras: ErrorExtras;

  constructor(code: ErrorCode, detail: string, extras: ErrorExtras = {}, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'BespokeError';
    this.code = code;
    this.extras = extras;
  }

  get status(): number {
    return ERROR_TABLE[this.code].status;
  }
}

/** A problem object of RFC 9457, as sent over HTTP and stored in a failed job's row. */
export interface Problem extends ErrorExtras {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly requestId?: string;
  readonly instance?: string;
}

/** The problem of an error. Anything that is not a `BespokeError` becomes `internal`, with nothing leaked. */
export function toProblem(error: unknown): Problem {
  const known =
    error instanceof BespokeError
      ? error
      : new BespokeError('internal', 'An unexpected error occurred; the log has the details under this request id.');
  const { status, title } = ERROR_TABLE[known.code];
  return { type: `/errors/${known.code}`, title, status, code: known.code, detail: known.message, ...known.extras };
}
