import { randomUUID } from 'node:crypto';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { BespokeError } from '../common/errors.js';
import { type Operation, offeredTypes } from './contract.js';
import type { Validator, ValidInput } from './validate.js';

/** One request that keeps the contract, as a handler sees it. */
export interface Call {
  readonly req: Request;
  readonly res: Response;
  readonly requestId: string;
  readonly log: Logger;
  readonly path: Readonly<Record<string, string>>;
  readonly query: ValidInput['query'];
  readonly body: unknown;
  /** The media type to answer with, one of the operation's; empty where it gives no body. */
  readonly accepted: string;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

export type Handler = (call: Call) => Promise<void> | void;

export interface RequestContext {
  readonly requestId: string;
  readonly log: Logger;
}

const contexts = new WeakMap<Response, RequestContext>();

/** The request's id and log, made at its first use. A client's own `X-Request-Id` is kept when it is short and plain. */
export function contextOf(res: Response, log: Logger): RequestContext {
  const known = contexts.get(res);
  if (known !== undefined) return known;
  const given = res.req.get('X-Request-Id');
  const requestId = given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
  const context = { requestId, log: log.child({ requestId }) };
  contexts.set(res, context);
  return context;
}

function negotiate(req: Request, operation: Operation): string {
  const offered = offeredTypes(operation);
  const [first] = offered;
  if (first === undefined) return '';
  const accepted = req.accepts([...offered]);
  if (accepted !== false) return accepted;
  throw new BespokeError(
    'not-acceptable',
    `This address gives ${offered.join(' or ')}; the Accept header takes none of them.`,
  );
}

function headerText(req: Request, name: string): string | undefined {
  const value = req.headers[name.toLowerCase()];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** Throws unless the body is declared as what the operation reads; runs before the body is read. */
export function checkContentType(req: Request): void {
  const given = headerText(req, 'content-type');
  if (/^application\/json\s*(;|$)/i.test(given ?? '')) return;
  const got = given === undefined ? 'no Content-Type' : `"${given.slice(0, 100)}"`;
  throw new BespokeError('unsupported-media-type', `The body must be application/json, got ${got}.`);
}

/** Checks a request and gives it to the handler. */
export async function handle(
  operation: Operation,
  { validator, handler, context }: { validator: Validator; handler: Handler; context: RequestContext },
  req: Request,
  res: Response,
): Promise<void> {
  const accepted = negotiate(req, operation);
  if (offeredTypes(operation).length > 1) res.vary('Accept');
  // Only representations with a tag can be unchanged; express would answer 304 to `If-None-Match: *` everywhere.
  if (!('304' in operation.responses)) delete req.headers['if-none-match'];
  const path = req.params as Readonly<Record<string, string>>; // no wildcard in our paths: one text each
  const input = {
    path,
    query: queryOf(req),
    header: (name: string) => headerText(req, name),
    body: req.body as unknown,
  };
  const { query, body } = validator.check(operation, input);
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  await handler({ req, res, ...context, path, query, body, accepted, signal: gone.signal });
}

/** The query as texts; express's simple parser gives nothing else. */
function queryOf(req: Request): Readonly<Record<string, string | readonly string[]>> {
  return req.query as Readonly<Record<string, string | readonly string[]>>;
}

/**
 * True if the client has the representation with this tag (If-None-Match, RFC 9110, 13.1.2; tags compare weakly).
 * express's own check gives way to `Cache-Control: no-cache`, which `fetch` adds to every request with this header.
 */
export function hasTag(req: Request, tag: string): boolean {
  const given = headerText(req, 'if-none-match')?.trim();
  if (given === undefined) return false;
  return given === '*' || given.split(',').some((each) => each.trim().replace(/^W\//, '') === tag);
}

/** Answers with JSON. */
export function sendJson(res: Response, value: unknown): void {
  res.type('application/json').send(JSON.stringify(value));
}
