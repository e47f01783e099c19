import type { Candidate } from '../search/types.js';

/** How many candidates are cut, calibrated and measured before a job gives up: each costs about a second. */
export const MAX_CANDIDATES = 8;

export interface ChoiceState {
  /** The front, any order. */
  readonly front: readonly Candidate[];
  readonly tried: ReadonlySet<string>;
  readonly maxLatencyMs: number | undefined;
  /** Measured over predicted latency, as far as known; see {@link latencyRatio}. */
  readonly latencyRatio: number;
}

/**
 * The next candidate to cut: the most accurate one not yet tried whose predicted latency, times the ratio seen so far, keeps the budget;
 * when none does, the fastest one left. Undefined: all were tried.
 */
export function nextCandidate({ front, tried, maxLatencyMs, latencyRatio }: ChoiceState): Candidate | undefined {
  const left = front.filter((candidate) => !tried.has(candidate.archId));
  const byAccuracy = [...left].sort((a, b) => b.predictedTop1 - a.predictedTop1 || a.macs - b.macs);
  if (maxLatencyMs === undefined) return byAccuracy[0];
  const keeping = byAccuracy.find(({ predictedLatencyMs }) => (predictedLatencyMs ?? 0) * latencyRatio <= maxLatencyMs);
  if (keeping !== undefined) return keeping;
  return [...left].sort((a, b) => (a.predictedLatencyMs ?? 0) - (b.predictedLatencyMs ?? 0))[0];
}

/**
 * What measured latency is expected to be of predicted: before the first measurement the machine's drift times the model's error margin,
 * afterwards the median of what was measured, so that one disturbed measurement does not turn every good candidate away.
 * @param expected the ratio before anything was measured
 * @param measured upper bounds over predictions, in order
 */
export function latencyRatio(expected: number, measured: readonly number[]): number {
  if (measured.length === 0) return expected;
  const sorted = [...measured].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number; // the list is not empty
}
