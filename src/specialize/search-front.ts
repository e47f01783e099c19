import type { Candidate } from '../search/types.js';
import type { SearchFront } from './types.js';
import { spreadOver } from './warm-start.js';

/** Milliseconds between two fronts: each costs describing up to a thousand candidates. */
const EVERY_MS = 500;
/** Points of a front under way: enough for its shape. */
const POINTS = 64;

/**
 * Makes what tells the front of a search under way now and then, thinned; the search is not changed by it.
 * @param now monotonic milliseconds
 * @returns `{ front }`, or nothing where the last one was told a moment ago
 */
export function makeFrontTeller(
  now: () => number,
  axis: SearchFront['axis'],
): (evaluations: number, front: () => readonly Candidate[]) => { readonly front?: SearchFront } {
  let lastMs = Number.NEGATIVE_INFINITY;
  return (evaluations, front) => {
    if (now() - lastMs < EVERY_MS) return {};
    lastMs = now();
    return { front: { evaluations, axis, points: spreadOver(front(), POINTS).map(pointOf) } };
  };
}

function pointOf({ predictedTop1, predictedLatencyMs, macs }: Candidate): SearchFront['points'][number] {
  return { predictedTop1, macs, ...(predictedLatencyMs === undefined ? {} : { predictedLatencyMs }) };
}
