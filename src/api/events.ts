import { BespokeError } from '../common/errors.js';
import type { SpecializationStore } from '../specialize/ports.js';
import { type SearchFront, type SpecializationRow, STAGES } from '../specialize/types.js';
import type { Call, Handler } from './call.js';
import { isFinished, requireRow, type Watch, type Watches } from './follow.js';
import type { ApiDeps } from './ports.js';

/** Streams open at the same time; each looks at its row some times a second. */
const MAX_STREAMS = 100;
const HEARTBEAT_MS = 15_000;
const POLL_MS = 250;
/** Milliseconds after which a cut client comes back. */
const RETRY_MS = 2000;

/**
 * Names the state of a row: two looks with the same id have nothing new between them, so a client that comes back
 * with `Last-Event-ID` gets the present state only if it has not seen it. No log of events is kept.
 */
export function eventId(row: SpecializationRow): string {
  const stage = row.stage === null ? 0 : STAGES.indexOf(row.stage) + 1;
  const cancel = row.cancelRequested && row.status === 'running' ? '.cancel' : '';
  return `${row.attempt}.${row.status}.${stage}.${Math.round(row.progress * 1000)}${cancel}`;
}

function eventText(row: SpecializationRow): string {
  const name = row.status === 'running' ? 'progress' : row.status;
  return `id: ${eventId(row)}\nevent: ${name}\ndata: ${JSON.stringify(row)}\n\n`;
}

function frontText(front: SearchFront): string {
  return `event: front\ndata: ${JSON.stringify(front)}\n\n`;
}

/** Tells the front of a running search when it has grown. It has no id: what a client has seen is the row's state. */
function makeFrontWatch(store: SpecializationStore, write: (text: string) => void) {
  let seen = 0;
  return async ({ id, stage }: SpecializationRow): Promise<void> => {
    if (stage !== 'searching') return;
    const front = await store.searchFront(id);
    if (front === undefined || front.evaluations === seen) return;
    seen = front.evaluations;
    write(frontText(front));
  };
}

interface StreamTimes {
  readonly pollMs: number;
  readonly heartbeatMs: number;
  readonly watch: Watch;
}

async function stream(
  { res, signal }: Call,
  store: SpecializationStore,
  { row, seen }: { readonly row: SpecializationRow; readonly seen: string | undefined },
  { pollMs, heartbeatMs, watch }: StreamTimes,
): Promise<void> {
  let current = row;
  let last = seen;
  let quietMs = 0;
  const tellFront = makeFrontWatch(store, (text) => res.write(text));
  while (!signal.aborted) {
    const id = eventId(current);
    if (id !== last) {
      res.write(eventText(current));
      await tellFront(current);
    }
    if (id === last && quietMs >= heartbeatMs) res.write(': still here\n\n');
    quietMs = id !== last || quietMs >= heartbeatMs ? 0 : quietMs + pollMs;
    last = id;
    if (isFinished(current)) break;
    await watch.wait(current, pollMs, signal);
    const next = signal.aborted ? undefined : await store.get(row.id);
    if (next === undefined) break; // removed meanwhile, or nobody listens
    current = next;
  }
  res.end();
}

/** GET /v1/specializations/{id}/events */
export function makeEvents(
  { specializations, settings }: Pick<ApiDeps, 'specializations' | 'settings'>,
  watches: Watches,
): Handler {
  let open = 0;
  return async (call) => {
    const { req, res, path } = call;
    const row = await requireRow(specializations, String(path.id));
    const seen = req.get('Last-Event-ID');
    if (isFinished(row) && seen === eventId(row)) {
      res.status(204).end(); // what tells an EventSource not to come back
      return;
    }
    if (open >= MAX_STREAMS)
      throw new BespokeError('rate-limited', `${MAX_STREAMS} event streams are open already.`, {
        retryAfterSeconds: 5,
      });
    res.set({ 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
    res.flushHeaders();
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    open++;
    const watch = watches.open(row.id);
    try {
      res.write(`retry: ${RETRY_MS}\n\n`);
      const { pollMs = POLL_MS, heartbeatMs = HEARTBEAT_MS } = settings;
      await stream(call, specializations, { row, seen }, { pollMs, heartbeatMs, watch });
    } finally {
      watch.close();
      open--;
    }
  };
}
