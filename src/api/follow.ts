import { BespokeError } from '../common/errors.js';
import type { SpecializationStore } from '../specialize/ports.js';
import type { SpecializationRow, Status } from '../specialize/types.js';

const FINISHED: readonly Status[] = ['succeeded', 'failed', 'canceled'];

/** True when the row will not change any more. */
export function isFinished(row: SpecializationRow): boolean {
  return FINISHED.includes(row.status);
}

/** The row, or `not-found`. */
export async function requireRow(store: SpecializationStore, id: string): Promise<SpecializationRow> {
  const row = await store.get(id);
  if (row === undefined) throw new BespokeError('not-found', `There is no specialization ${id}.`);
  return row;
}

/** How often a row is looked at while its job is being stopped, ms: whoever canceled waits for that. */
const STOPPING_POLL_MS = 25;

/** Someone who follows a row. */
export interface Watch {
  /**
   * Waits until the row has changed here, for `ms` at most, less while its job is being stopped; not at all if it changed since the last
   * wait. An abort ends the wait early and quietly.
   */
  wait(row: SpecializationRow, ms: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Those who follow rows. What workers and other servers change they find by looking. */
export interface Watches {
  open(id: string): Watch;
  /** Tells whoever follows a row that it has changed here. */
  wake(id: string): void;
}

function sleep(ms: number, signal: AbortSignal, onWake: (wake: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms).unref();
    onWake(end);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

/** Makes the watches of one server; nothing is kept of a row that nobody follows. */
export function makeWatches(): Watches {
  const all = new Map<string, Set<() => void>>();
  const open = (id: string): Watch => {
    let isChanged = false;
    let end = (): void => {};
    const wake = (): void => {
      isChanged = true;
      end();
    };
    all.set(id, (all.get(id) ?? new Set()).add(wake));
    return {
      wait: async ({ cancelRequested }, ms, signal) => {
        const most = cancelRequested ? Math.min(ms, STOPPING_POLL_MS) : ms;
        if (!isChanged) await sleep(most, signal, (wakeUp) => (end = wakeUp));
        isChanged = false;
      },
      close: () => {
        const those = all.get(id);
        those?.delete(wake);
        if (those?.size === 0) all.delete(id);
      },
    };
  };
  return {
    open,
    wake: (id) => {
      for (const wake of all.get(id) ?? []) wake();
    },
  };
}

interface Waiting {
  readonly ms: number;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly watches: Watches;
}

/**
 * Looks at a row until it is finished, the time is up or the client is gone.
 * @returns the row as last seen
 */
export async function waitUntilFinished(
  store: SpecializationStore,
  row: SpecializationRow,
  { ms, pollMs, signal, watches }: Waiting,
): Promise<SpecializationRow> {
  const end = performance.now() + ms;
  const watch = watches.open(row.id);
  let seen = row;
  try {
    while (!isFinished(seen) && !signal.aborted) {
      const left = end - performance.now();
      if (left <= 0) break;
      await watch.wait(seen, Math.min(pollMs, left), signal);
      seen = await requireRow(store, row.id);
    }
    return seen;
  } finally {
    watch.close();
  }
}
