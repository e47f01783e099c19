import { BespokeError, type Problem } from '../common/errors.js';
import { canonicalJson, sha256 } from '../common/hash.js';
import type { HistoryFilter } from '../specialize/ports.js';
import type { SpecializationRequest, SpecializationRow, Status } from '../specialize/types.js';
import { answerKeyOf, frontKeyOf } from './answer-key.js';
import { type Call, type Handler, hasTag, sendJson } from './call.js';
import { historyCsv } from './csv.js';
import { type CreateBody, fillRequest } from './defaults.js';
import { isFinished, requireRow, type Watches, waitUntilFinished } from './follow.js';
import type { ApiDeps } from './ports.js';
import { preferredWaitSeconds } from './prefer.js';
import { sendProblem } from './problem.js';
import { resolveWarmStart } from './warm-start.js';

const DEFAULT_PAGE = 50;
/** Seconds after which looking again is worth it: a specialization takes some seconds. */
const RETRY_AFTER_SECONDS = 1;
/** Requests that may hold a connection and watch a row at the same time; beyond it a wait is not honored. */
const MAX_WAITING = 100;

type Deps = Pick<ApiDeps, 'specializations' | 'queue' | 'catalog' | 'settings'>;

/** An ETag of a representation's text. */
function etagOf(text: string): string {
  return `"${sha256(text).slice(0, 32)}"`;
}

/** Sends a text with its ETag, or 304 when the client has it. */
export function sendTagged({ req, res, accepted }: Call, text: string): void {
  const tag = etagOf(text);
  res.set('ETag', tag).set('Cache-Control', 'no-cache');
  if (hasTag(req, tag)) res.status(304).end();
  else res.type(accepted).send(text);
}

/** The request with the fronts that its search begins with. */
function withWarmStart(request: SpecializationRequest, ids: readonly string[]): SpecializationRequest {
  return ids.length === 0 ? request : { ...request, search: { ...request.search, warmStart: ids } };
}

/**
 * Makes the row of a request. What an idempotency key stands for comes first: an answer that was given is given again, whatever has been
 * learned or removed since.
 * @returns the problem instead where the limits cannot be met
 */
async function admit(call: Call, deps: Deps): Promise<SpecializationRow | { readonly refused: Problem }> {
  const { specializations, queue, catalog, settings } = deps;
  const { log } = call;
  const key = call.req.get('Idempotency-Key');
  const idempotency = key === undefined ? undefined : { key, bodyHash: sha256(canonicalJson(call.body)) };
  const known = idempotency === undefined ? undefined : await specializations.repeated(idempotency);
  if (known !== undefined) {
    log.info({ specializationId: known.id, created: false }, 'specialization asked for again');
    return known;
  }
  const body = call.body as CreateBody; // it keeps the contract: validated before
  const request = fillRequest(body, catalog);
  const refused = await catalog.checkFeasible(request);
  if (refused !== undefined) return { refused };
  const { fresh: isFresh = false, warmStart = false } = body.search ?? {};
  const frontKey = frontKeyOf(request, catalog);
  const answerKey = answerKeyOf(request, { catalog, version: settings.version, warmStart });
  const begun = withWarmStart(request, await resolveWarmStart(specializations, frontKey, warmStart));
  const { row, created } = await specializations.create(begun, idempotency, { key: answerKey, frontKey, isFresh });
  log.info({ specializationId: row.id, created, storedAnswerOf: row.storedAnswerOf }, 'specialization stored');
  if (created && !isFinished(row)) await enqueue(row.id, { queue, log });
  return row;
}

/** POST /v1/specializations */
export function makeCreate(deps: Deps, watches: Watches): Handler {
  const { specializations, settings } = deps;
  let waiting = 0;
  const hold = async (row: SpecializationRow, seconds: number, call: Call): Promise<SpecializationRow> => {
    waiting++;
    try {
      const pollMs = settings.pollMs ?? 250;
      const { signal } = call;
      return await waitUntilFinished(specializations, row, { ms: seconds * 1000, pollMs, signal, watches });
    } finally {
      waiting--;
    }
  };
  return async (call) => {
    const { req, res } = call;
    const stored = await admit(call, deps);
    if ('refused' in stored) return sendProblem(res, stored.refused, call.requestId);
    const seconds = preferredWaitSeconds(req.get('Prefer'));
    const honored = seconds !== undefined && waiting < MAX_WAITING;
    const row = honored ? await hold(stored, seconds, call) : stored;
    res.location(`/v1/specializations/${row.id}`);
    if (honored) res.set('Preference-Applied', `wait=${seconds}`);
    const isAnswered = isFinished(row) && (honored || row.storedAnswerOf !== null);
    if (!isAnswered) res.status(202).set('Retry-After', String(RETRY_AFTER_SECONDS));
    sendJson(res, row);
  };
}

/** The row is the truth: a message that could not be queued is sent again by the sweeper, so it fails nothing here. */
async function enqueue(id: string, { queue, log }: Pick<Deps, 'queue'> & Pick<Call, 'log'>): Promise<void> {
  try {
    await queue.enqueue({ kind: 'specialize', id });
  } catch (error) {
    log.warn({ err: error, specializationId: id }, 'the queue took no message; the sweeper will bring the row back');
  }
}

/** GET /v1/specializations/{id} */
export function makeGet({ specializations }: Deps): Handler {
  return async (call) => {
    const row = await requireRow(specializations, String(call.path.id));
    if (!isFinished(row)) call.res.set('Retry-After', String(RETRY_AFTER_SECONDS));
    sendTagged(call, JSON.stringify(row));
  };
}

function labelsOf(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

function filterOf(query: Call['query']): HistoryFilter {
  const text = (name: 'hardwareId' | 'supernetId' | 'archId') =>
    query[name] === undefined ? {} : { [name]: String(query[name]) };
  const figure = (name: 'minTop1' | 'maxLatencyMs' | 'maxMacs') =>
    query[name] === undefined ? {} : { [name]: Number(query[name]) };
  const time = (name: 'createdAfter' | 'createdBefore') =>
    query[name] === undefined ? {} : { [name]: new Date(String(query[name])).toISOString() };
  return {
    ...text('hardwareId'),
    ...text('supernetId'),
    ...text('archId'),
    ...(query.status === undefined ? {} : { status: query.status as Status }), // the contract's enum is this union
    ...(Array.isArray(query.label) ? { labels: labelsOf(query.label) } : {}),
    ...time('createdAfter'),
    ...time('createdBefore'),
    ...figure('minTop1'),
    ...figure('maxLatencyMs'),
    ...figure('maxMacs'),
  };
}

function nextLink(query: Call['query'], cursor: string): string {
  const pairs = Object.entries(query)
    .filter(([name]) => name !== 'cursor')
    .flatMap(([name, value]) =>
      (Array.isArray(value) ? value : [value]).map((each): [string, string] => [name, String(each)]),
    );
  return `</v1/specializations?${new URLSearchParams([...pairs, ['cursor', cursor]])}>; rel="next"`;
}

/** GET /v1/specializations */
export function makeList({ specializations }: Deps): Handler {
  return async ({ res, query, accepted }) => {
    const limit = Number(query.limit ?? DEFAULT_PAGE);
    const cursor = query.cursor === undefined ? {} : { cursor: String(query.cursor) };
    const { rows, nextCursor } = await specializations.list(filterOf(query), { limit, ...cursor });
    if (nextCursor !== undefined) res.set('Link', nextLink(query, nextCursor));
    if (accepted === 'text/csv') res.type('text/csv').send(historyCsv(rows));
    else sendJson(res, { items: rows, nextCursor: nextCursor ?? null });
  };
}

/** POST /v1/specializations/{id}/cancel */
export function makeCancel({ specializations, queue }: Deps, watches: Watches): Handler {
  return async ({ res, path, log }) => {
    const id = String(path.id);
    const row = await specializations.requestCancel(id);
    if (row === undefined) throw new BespokeError('not-found', `There is no specialization ${id}.`);
    log.info({ specializationId: id, status: row.status }, 'cancel asked for');
    watches.wake(id);
    try {
      if (row.status === 'canceled') await queue.cancel(id);
    } catch (error) {
      log.warn({ err: error, specializationId: id }, 'the message stays queued; a worker finds the row canceled');
    }
    sendJson(res, row);
  };
}

/** DELETE /v1/specializations/{id} */
export function makeDelete({ specializations }: Deps): Handler {
  return async ({ res, path, log }) => {
    const id = String(path.id);
    if (!(await specializations.remove(id))) throw new BespokeError('not-found', `There is no specialization ${id}.`);
    log.info({ specializationId: id }, 'specialization removed');
    res.status(204).end();
  };
}
