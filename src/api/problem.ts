import type { Response } from 'express';
import type { Logger } from 'pino';
import { BespokeError, type ErrorCode, type Problem, toProblem } from '../common/errors.js';

/** Seconds after which a client may try again when a service is away and the error does not say. */
const RETRY_AFTER_SECONDS = 5;

/** What body parsing and routing refuse, by the status they throw. */
const REFUSALS: Readonly<Record<number, { readonly code: ErrorCode; readonly detail: string }>> = {
  400: { code: 'invalid-request', detail: 'The request cannot be read' },
  413: { code: 'payload-too-large', detail: 'A body has 1 MiB at most' },
  415: { code: 'unsupported-media-type', detail: 'A body is JSON in UTF-8 and not compressed' },
};

/** Errors of express and its body parser carry a status and say whether their message may be shown. */
function asKnown(error: unknown): unknown {
  if (error instanceof BespokeError || !(error instanceof Error) || !('status' in error)) return error;
  const refusal = typeof error.status === 'number' ? REFUSALS[error.status] : undefined;
  if (refusal === undefined) return error;
  return new BespokeError(refusal.code, `${refusal.detail}: ${error.message.slice(0, 200)}.`);
}

/** What a handler may have said of the representation that is not sent now. */
const REPRESENTATION_HEADERS = [
  'ETag',
  'Repr-Digest',
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Length',
  'Link',
];

/** Sends a problem object as it is, with its status, the request's id and path. */
export function sendProblem(res: Response, problem: Problem, requestId: string): void {
  const instance = res.req.originalUrl.split('?')[0]?.slice(0, 512) ?? '';
  if (problem.status === 503 || problem.retryAfterSeconds !== undefined)
    res.set('Retry-After', String(problem.retryAfterSeconds ?? RETRY_AFTER_SECONDS));
  for (const name of REPRESENTATION_HEADERS) res.removeHeader(name);
  if (problem.status !== 416) res.removeHeader('Content-Range');
  res.status(problem.status).set('Cache-Control', 'no-store').type('application/problem+json');
  res.send(JSON.stringify({ ...problem, instance, requestId }));
}

/** Answers an error with its problem; where the answer has already begun, the connection is cut so that nobody takes it for whole. */
export function sendError(
  res: Response,
  thrown: unknown,
  { requestId, log }: { requestId: string; log: Logger },
): void {
  const error = asKnown(thrown);
  const problem = toProblem(error);
  if (problem.status >= 500) log.error({ err: error }, 'request failed');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  sendProblem(res, problem, requestId);
}
