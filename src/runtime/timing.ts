import { invariant } from '../common/invariant.js';
import type { LatencyStatistic } from '../common/latency-statistic.js';
import { nextStep, type Steps } from '../common/work.js';

/** Which quantile a statistic is; `mean` is none. `quiet`, the lowest steady figure, is the 10th percentile. */
const QUANTILES = { quiet: 0.1, p50: 0.5, p90: 0.9, p99: 0.99 } as const satisfies Record<
  Exclude<LatencyStatistic, 'mean'>,
  number
>;

/** Every interval of a measured latency covers its statistic with this probability. */
const CONFIDENCE = 0.99;
/** Two-sided 99 % point of the standard normal, for the mean. */
const NORMAL_99 = 2.5758;

/** A statistic of samples with its 99 % interval; the unit is that of the samples. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Runs that are needed before both ends of the 99 % interval of a statistic exist: 8 for p50, 51 for p90, 528 for p99. */
export function samplesNeeded(statistic: LatencyStatistic): number {
  if (statistic === 'mean') return 30;
  const q = QUANTILES[statistic];
  return Math.ceil(Math.log((1 - CONFIDENCE) / 2) / Math.log(Math.max(q, 1 - q)));
}

/** The nearest-rank quantile of ascending samples: the smallest one with at least `q` of all at or below it. */
export function quantileOf(sorted: ArrayLike<number>, q: number): number {
  invariant(sorted.length > 0 && q > 0 && q < 1, () => `quantile ${q} of ${sorted.length} samples`);
  return sorted[Math.ceil(q * sorted.length) - 1]!; // 1 <= ceil(q n) <= n
}

/** Natural logarithms of 0!, 1!, ... n!. */
function logFactorials(n: number): Float64Array {
  const logs = new Float64Array(n + 1);
  for (let i = 2; i <= n; i++) logs[i] = logs[i - 1]! + Math.log(i);
  return logs;
}

/**
 * Ranks (1-based) of the order statistics that enclose the `q` quantile of a continuous distribution with 99 % probability:
 * the number of samples below the quantile is Binomial(n, q), so each end leaves at most 0.5 % outside.
 * Where there are too few samples for an end, it is the first or last sample.
 * Source: H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition, section 7.1
 */
export function orderStatisticRanks(n: number, q: number): { readonly low: number; readonly high: number } {
  invariant(n >= 1 && q > 0 && q < 1, () => `order statistics of ${n} samples at ${q}`);
  const tail = (1 - CONFIDENCE) / 2;
  const logs = logFactorials(n);
  const pmf = (k: number): number =>
    Math.exp(logs[n]! - logs[k]! - logs[n - k]! + k * Math.log(q) + (n - k) * Math.log1p(-q));
  let low = 0;
  let below = pmf(0); // P(fewer than low + 1 samples lie below the quantile)
  while (low < n && below <= tail) {
    low++;
    below += pmf(low);
  }
  let high = n + 1;
  let above = pmf(n); // P(at least high - 1 samples lie below the quantile)
  while (high > 1 && above <= tail) {
    high--;
    above += pmf(high - 1);
  }
  return { low: Math.max(1, low), high: Math.min(n, high) };
}

/**
 * A statistic of latency samples with its 99 % interval: order statistics for quantiles, the normal approximation for the mean.
 * @param sorted samples, ascending; any unit
 */
export function estimate(sorted: Float64Array, statistic: LatencyStatistic): Estimate {
  if (statistic === 'mean') {
    const n = sorted.length;
    const mean = sorted.reduce((sum, x) => sum + x, 0) / n;
    const variance = sorted.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, n - 1);
    const half = NORMAL_99 * Math.sqrt(variance / n);
    return { value: mean, low: mean - half, high: mean + half };
  }
  const q = QUANTILES[statistic];
  const ranks = orderStatisticRanks(sorted.length, q);
  return { value: quantileOf(sorted, q), low: sorted[ranks.low - 1]!, high: sorted[ranks.high - 1]! };
}

/**
 * How long to time: at least `minSamples` runs of each, then more until `maxMs` of run time is used per subject. A slow subject that has
 * used `longMs` is content with `neededSamples`.
 */
export interface TimingOptions extends Steps {
  readonly minSamples: number;
  readonly maxMs: number;
  /** As many as `minSamples` unless told. */
  readonly neededSamples?: number;
  /** No end unless told. */
  readonly longMs?: number;
  /** Untimed runs of each before the first timed one. */
  readonly warmUpRuns: number;
  /** Timed runs of one subject in a row. */
  readonly burst: number;
}

/** Runs once, and returns nothing; what is timed. */
export type TimedRun = () => Promise<unknown>;

/** Milliseconds of one run, by the monotonic clock. */
async function timeOnce(run: TimedRun): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/**
 * Times several subjects in turn, a burst of runs each per round: a disturbance of the machine falls on all of them alike,
 * and within a burst the caches are as hot as on a server that runs one model again and again.
 * A subject that has used its time drops out; the others go on.
 * @returns per subject its samples in ms, ascending
 */
export async function timeInterleaved(runs: readonly TimedRun[], options: TimingOptions): Promise<Float64Array[]> {
  for (const run of runs) for (let i = 0; i < options.warmUpRuns; i++) await run();
  const samples = runs.map((): number[] => []);
  const spent = new Float64Array(runs.length);
  const { minSamples, maxMs, neededSamples = minSamples, longMs = Number.POSITIVE_INFINITY } = options;
  const wantsMore = (count: number, ms: number): boolean =>
    count < (ms < longMs ? minSamples : neededSamples) || ms < maxMs;
  let active = runs.map((_, i) => i);
  while (active.length > 0) {
    for (const i of active) {
      const wasHeldUp = await nextStep(options);
      const run = runs[i]!; // active holds indices of runs
      if (active.length > 1 || wasHeldUp) await run(); // another's data is in the caches
      for (let k = 0; k < options.burst; k++) {
        const ms = await timeOnce(run);
        samples[i]!.push(ms);
        spent[i]! += ms;
      }
    }
    active = active.filter((i) => wantsMore(samples[i]!.length, spent[i]!));
  }
  return samples.map((list) => Float64Array.from(list).sort());
}
