import { invariant } from '../common/invariant.js';
import { kendallTau } from '../common/rank-correlation.js';
import type { LatencyProfile } from './types.js';

/** latency = scale * x + offset */
export interface Affine {
  readonly scale: number;
  readonly offset: number;
}

/**
 * Fits y = scale * x + offset by least squares of relative errors (weights 1 / y^2): a small network counts as much as a large one.
 * @param x sums of a table, positive
 * @param y measured, positive, as many
 */
export function fitAffine(x: ArrayLike<number>, y: ArrayLike<number>): Affine {
  const n = x.length;
  invariant(n >= 2 && n === y.length, () => `an affine fit needs two or more pairs, got ${n} and ${y.length}`);
  let w = 0;
  let wx = 0;
  let wy = 0;
  for (let i = 0; i < n; i++) {
    const weight = 1 / y[i]! ** 2;
    w += weight;
    wx += weight * x[i]!;
    wy += weight * y[i]!;
  }
  const meanX = wx / w;
  const meanY = wy / w;
  let xx = 0;
  let xy = 0;
  for (let i = 0; i < n; i++) {
    const weight = 1 / y[i]! ** 2;
    xx += weight * (x[i]! - meanX) ** 2;
    xy += weight * (x[i]! - meanX) * (y[i]! - meanY);
  }
  // Where all sums are equal only a level can be fitted.
  const scale = xx > 0 ? xy / xx : meanY / meanX;
  return { scale, offset: meanY - scale * meanX };
}

/** Errors of predictions on held-out networks, in percent of the measured value. */
export function holdoutErrors(predicted: readonly number[], measured: readonly number[]): LatencyProfile['holdout'] {
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

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Times of subjects, and how fast each pass over them ran: 1 is the middle pass, 1.1 was 10 % slower. */
export interface PolishedTimes {
  readonly times: readonly number[];
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
  return { times: times.map(Math.exp), levels: levels.map(Math.exp) };
}
