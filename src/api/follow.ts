import { setTimeout as delay } from 'node:timers/promises';
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

/** Waits; an abort ends the wait early and quietly. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal, ref: false });
  } catch {
    // aborted: whoever waits looks at the signal
  }
}

/**
 * Looks at a row until it is finished, the time is up or the client is gone.
 * @returns the row as last seen
 */
export async function waitUntilFinished(
  store: SpecializationStore,
  row: SpecializationRow,
  { ms, pollMs, signal }: { readonly ms: number; readonly pollMs: number; readonly signal: AbortSignal },
): Promise<SpecializationRow> {
  const end = performance.now() + ms;
  let seen = row;
  while (!isFinished(seen) && !signal.aborted) {
    const left = end - performance.now();
    if (left <= 0) break;
    await pause(Math.min(pollMs, left), signal);
    seen = await requireRow(store, row.id);
  }
  return seen;
}
