import { STATUSES, type Status } from '../specialize/types.js';

/**
 * The legal moves of a specialization; nothing leaves a finished status.
 * `running -> queued` is a lost lease or a holder that hands the job back.
 */
export const TRANSITIONS = {
  queued: ['running', 'canceled'],
  running: ['queued', 'succeeded', 'failed', 'canceled'],
  succeeded: [],
  failed: [],
  canceled: [],
} as const satisfies Record<Status, readonly Status[]>;

/** The statuses that may be reached from `From`. */
type NextStatus<From extends Status> = (typeof TRANSITIONS)[From][number];

/**
 * One legal move, for a conditional UPDATE: `from` goes into its WHERE, `to` into its SET.
 * An illegal move does not compile.
 */
export function move<From extends Status, To extends NextStatus<From>>(
  from: From,
  to: To,
): { readonly from: From; readonly to: To } {
  return { from, to };
}

/** The statuses that nothing leaves. */
export const FINISHED_STATUSES: readonly Status[] = STATUSES.filter((status) => TRANSITIONS[status].length === 0);
