import { invariant } from '../common/invariant.js';
import { solvePositiveDefinite } from '../common/linear-system.js';
import { kendallTau } from '../common/rank-correlation.js';
import type { HoldoutErrors } from './types.js';

/** Keeps the fit defined where features depend on each other; far below the noise of a measured time. */
const RIDGE = 1e-9;

/**
 * Fits y = sum of coefficient * feature by least squares of relative errors: a small network counts as much as a large one.
 * @param rows the features of each network, positive; at least as many rows as features
 * @param y measured, positive, one per row
 * @returns one coefficient per feature
 */
export function fitRelative(rows: readonly (readonly number[])[], y: readonly number[]): readonly number[] {
  const n = rows[0]?.length ?? 0;
  invariant(rows.length >= n && n > 0 && rows.length === y.length, () => `${rows.length} rows for ${n} coefficients`);
  // Features of very different units are scaled to the same size first.
  const sizes = Array.from({ length: n }, (_, j) => Math.max(...rows.map((row, i) => Math.abs(row[j]! / y[i]!))) || 1);
  const normal = new Float64Array(n * n);
  const right = new Float64Array(n);
  rows.forEach((row, i) => {
    for (let j = 0; j < n; j++) {
      const x = row[j]! / y[i]! / sizes[j]!;
      right[j]! += x;
      for (let k = 0; k < n; k++) normal[j * n + k]! += (x * row[k]!) / y[i]! / sizes[k]!;
    }
  });
  for (let j = 0; j < n; j++) normal[j * n + j]! += RIDGE * rows.length;
  return Array.from(solvePositiveDefinite(normal, right), (c, j) => c / sizes[j]!);
}

/** Errors of predictions on held-out networks, in percent of the measured value. */
export function holdoutErrors(predicted: readonly number[], measured: readonly number[]): HoldoutErrors {
  const errors = predicted.map((p, i) => (100 * Math.abs(p - measured[i]!)) / measured[i]!).sort((a, b) => a - b);
  const nets = errors.length;
  invariant(nets >= 2, () => `errors of ${nets} networks`);
  return {
    nets,
    mapePercent: errors.reduce((sum, e) => sum + e, 0) / nets,
    p90Percent: errors[Math.ceil(0.9 * nets) - 1]!,
    maxPercent: errors[nets - 1]!,
    kendallTau: kendallTau(predicted, measured),
  };
}

/** (measured - predicted) / predicted of networks, ascending: latency models err by shares, not by milliseconds. */
export function relativeResiduals(predicted: readonly number[], measured: readonly number[]): readonly number[] {
  return predicted.map((p, i) => (measured[i]! - p) / p).sort((a, b) => a - b);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Which share of a subject's passes may be faster than its undisturbed time. */
const LOW_SHARE = 0.1;

/** Times of subjects, and how fast each pass over them ran: 1 is the middle pass, 1.1 was 10 % slower. */
export interface PolishedTimes {
  /** The middle over the passes. */
  readonly times: readonly number[];
  /**
   * The lowest tenth over the passes, brought to the level of the middle by one factor for all: on a shared machine disturbances only
   * ever add time, so these compare subjects with less noise.
   */
  readonly undisturbed: readonly number[];
  readonly levels: readonly number[];
}

/**
 * Separates what belongs to a subject from what belongs to a pass, by median polish of the logarithms:
 * time[pass][subject] = level[pass] * time[subject]. A pass that was slow as a whole and a single disturbed time both drop out.
 * @param passes positive times, the same subjects in each
 * Source: J. W. Tukey, "Exploratory Data Analysis", 1977, chapter 11
 */
export function polish(passes: readonly (readonly number[])[]): PolishedTimes {
  const count = passes[0]?.length ?? 0;
  invariant(count > 0 && passes.every((pass) => pass.length === count), () => 'passes over different subjects');
  const logs = passes.map((pass) => pass.map(Math.log));
  let levels = passes.map(() => 0);
  let times = new Array<number>(count).fill(0);
  for (let round = 0; round < 5; round++) {
    times = times.map((_, s) => median(logs.map((pass, p) => pass[s]! - levels[p]!)));
    levels = logs.map((pass) => median(pass.map((log, s) => log - times[s]!)));
    const middle = median(levels);
    levels = levels.map((level) => level - middle);
    times = times.map((time) => time + middle);
  }
  const residuals = times.map((time, s) => logs.map((pass, p) => pass[s]! - levels[p]! - time).sort((a, b) => a - b));
  const lows = residuals.map((sorted) => sorted[Math.floor((sorted.length - 1) * LOW_SHARE)]!);
  const toMiddle = -median(lows);
  return {
    times: times.map(Math.exp),
    undisturbed: times.map((time, s) => Math.exp(time + lows[s]! + toMiddle)),
    levels: levels.map(Math.exp),
  };
}
