import type { Candidate } from '../search/types.js';
import type { RequestedObjective } from './types.js';

/** How many candidates are cut, calibrated and measured before a job gives up: each costs about a second. */
export const MAX_CANDIDATES = 8;

export interface ChoiceState {
  /** The front, any order. */
  readonly front: readonly Candidate[];
  readonly tried: ReadonlySet<string>;
  /** What is made as good as the limits allow; `accuracy` unless told. */
  readonly objective?: RequestedObjective;
  readonly maxLatencyMs: number | undefined;
  /** Least top-1 that counts, with what measuring has been seen to fall short of predictions; fraction. */
  readonly minTop1?: number;
  /** Measured over predicted latency, as far as known; see {@link latencyRatio}. */
  readonly latencyRatio: number;
}

/**
 * The next candidate to cut: the most accurate one not yet tried whose predicted latency, times the ratio seen so far, keeps the budget;
 * when none does, the fastest one left. For the objectives `latency` and `macs` the cheapest one that is accurate enough, else the most
 * accurate. Undefined: all were tried.
 */
export function nextCandidate(state: ChoiceState): Candidate | undefined {
  const { front, tried, objective = 'accuracy' } = state;
  const left = front.filter((candidate) => !tried.has(candidate.archId));
  return objective === 'accuracy' ? mostAccurate(left, state) : cheapest(left, objective, state.minTop1);
}

function cheapest(
  left: readonly Candidate[],
  objective: 'latency' | 'macs',
  minTop1 = Number.NEGATIVE_INFINITY,
): Candidate | undefined {
  const costOf = ({ predictedLatencyMs = 0, macs }: Candidate): number =>
    objective === 'macs' ? macs : predictedLatencyMs;
  const byCost = [...left].sort((a, b) => costOf(a) - costOf(b) || b.predictedTop1 - a.predictedTop1);
  return byCost.find(({ predictedTop1 }) => predictedTop1 >= minTop1) ?? byCost.at(-1);
}

function mostAccurate(left: readonly Candidate[], { maxLatencyMs, latencyRatio }: ChoiceState): Candidate | undefined {
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
  return middle(measured);
}

/** By how much measured top-1 is expected to fall short of predicted: the median of what was measured, and never a gain. */
export function measuredShortfall(measured: readonly number[]): number {
  return measured.length === 0 ? 0 : Math.max(0, middle(measured));
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number; // callers give one at least
}
