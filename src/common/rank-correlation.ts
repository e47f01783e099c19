import { invariant } from './invariant.js';

function checkPair(a: ArrayLike<number>, b: ArrayLike<number>): void {
  invariant(
    a.length === b.length && a.length >= 2,
    () => `a correlation needs two equally long lists, got ${a.length} and ${b.length}`,
  );
}

/** Pairs within runs of equal neighbors: the sum of t (t - 1) / 2 over the runs. */
function tiedPairs(count: number, isEqual: (i: number, j: number) => boolean): number {
  let pairs = 0;
  let run = 1;
  for (let i = 1; i <= count; i++) {
    if (i < count && isEqual(i - 1, i)) run++;
    else {
      pairs += (run * (run - 1)) / 2;
      run = 1;
    }
  }
  return pairs;
}

/** Sorts `values` in place by merging and returns how many pairs were out of order (equal ones are not). */
function sortCountingSwaps(values: Float64Array): number {
  let from: Float64Array = values;
  let to: Float64Array = new Float64Array(values.length);
  let swaps = 0;
  for (let width = 1; width < values.length; width *= 2) {
    for (let low = 0; low < values.length; low += 2 * width) {
      const middle = Math.min(low + width, values.length);
      const high = Math.min(low + 2 * width, values.length);
      let left = low;
      let right = middle;
      for (let k = low; k < high; k++) {
        const takeLeft = left < middle && (right >= high || from[left]! <= from[right]!); // both indices are inside their runs
        if (!takeLeft) swaps += middle - left;
        to[k] = takeLeft ? from[left++]! : from[right++]!;
      }
    }
    [from, to] = [to, from];
  }
  if (from !== values) values.set(from);
  return swaps;
}

/**
 * Kendall's tau-b: rank agreement of two lists, ties taken into account, in O(n log n).
 * @returns -1..1; 0 where one list is constant
 * Source: W. R. Knight, "A computer method for calculating Kendall's tau with ungrouped data", JASA 1966
 */
export function kendallTau(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkPair(a, b);
  const n = a.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[i]! - a[j]! || b[i]! - b[j]!);
  const x = Float64Array.from(order, (i) => a[i]!);
  const y = Float64Array.from(order, (i) => b[i]!);
  const all = (n * (n - 1)) / 2;
  const tiedA = tiedPairs(n, (i, j) => x[i] === x[j]);
  const tiedBoth = tiedPairs(n, (i, j) => x[i] === x[j] && y[i] === y[j]);
  const discordant = sortCountingSwaps(y);
  const tiedB = tiedPairs(n, (i, j) => y[i] === y[j]);
  const concordantMinusDiscordant = all - tiedA - tiedB + tiedBoth - 2 * discordant;
  const scale = Math.sqrt(all - tiedA) * Math.sqrt(all - tiedB);
  return scale === 0 ? 0 : concordantMinusDiscordant / scale;
}

/** Ranks 1..n; equal values share the mean of their ranks. */
function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const ranks = new Float64Array(values.length);
  let start = 0;
  while (start < order.length) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let k = start; k < end; k++) ranks[order[k]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

/** Pearson's correlation. @returns -1..1; 0 where one list is constant */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkPair(a, b);
  const n = a.length;
  let meanA = 0;
  let meanB = 0;
  for (let i = 0; i < n; i++) {
    meanA += a[i]! / n;
    meanB += b[i]! / n;
  }
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < n; i++) {
    const da = a[i]! - meanA;
    const db = b[i]! - meanB;
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

/** Spearman's rank correlation, ties by average ranks. @returns -1..1; 0 where one list is constant */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
  checkPair(a, b);
  return pearson(averageRanks(a), averageRanks(b));
}
