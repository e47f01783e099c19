/** Spread of a list of figures; quantiles interpolate between neighbors (Hyndman and Fan's type 7). */
export interface Summary {
  readonly n: number;
  readonly min: number;
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
  readonly p90: number;
  readonly max: number;
  readonly mean: number;
}

/** The quantile `q` (0..1) of figures in any order; NaN of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (at - Math.floor(at)) * (high - low);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Summary of figures in any order; undefined of none, so that nothing is reported where nothing was measured. */
export function summarize(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  const at = (q: number): number => quantile(values, q);
  return {
    n: values.length,
    min: at(0),
    q1: at(0.25),
    median: at(0.5),
    q3: at(0.75),
    p90: at(0.9),
    max: at(1),
    mean: mean(values),
  };
}

/** Probability of at most `k` successes in `n` trials of probability `p`. */
function binomialCdf(k: number, n: number, p: number): number {
  let sum = 0;
  let logChoose = 0; // of n over i
  for (let i = 0; i <= k; i++) {
    if (i > 0) logChoose += Math.log(n - i + 1) - Math.log(i);
    sum += Math.exp(logChoose + i * Math.log(p) + (n - i) * Math.log1p(-p));
  }
  return Math.min(1, sum);
}

/** The p in 0..1 where a function that falls in p takes a value. */
function whereFalling(f: (p: number) => number, value: number): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (f(middle) > value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Two-sided bounds of a share, of which `k` of `n` trials were seen.
 * Source: Clopper and Pearson, Biometrika 1934 (exact, at least the stated confidence)
 */
export function binomialBounds(
  k: number,
  n: number,
  confidence = 0.95,
): { readonly low: number; readonly high: number } {
  const tail = (1 - confidence) / 2;
  return {
    low: k === 0 ? 0 : whereFalling((p) => binomialCdf(k - 1, n, p), 1 - tail),
    high: k === n ? 1 : whereFalling((p) => binomialCdf(k, n, p), tail),
  };
}
