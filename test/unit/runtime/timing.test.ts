import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import {
  estimate,
  orderStatisticRanks,
  quantileOf,
  samplesNeeded,
  timeInterleaved,
} from '../../../src/runtime/timing.js';

/** P(exactly k of n), by multiplying out: no logarithms, no factorials. */
function binomial(n: number, k: number, q: number): number {
  let p = 1;
  for (let i = 0; i < k; i++) p *= ((n - i) / (k - i)) * q;
  for (let i = 0; i < n - k; i++) p *= 1 - q;
  return p;
}

/** Probability that the quantile lies between the low-th and the high-th of n samples. */
function coverage(n: number, q: number, low: number, high: number): number {
  let sum = 0;
  for (let below = low; below < high; below++) sum += binomial(n, below, q);
  return sum;
}

describe('order statistics', () => {
  for (const [n, q] of [
    [30, 0.5],
    [100, 0.5],
    [100, 0.9],
    [60, 0.9],
    [600, 0.99],
    [100, 0.1],
  ] as const) {
    it(`enclose the ${q} quantile of ${n} samples with 99 % and are no wider than needed`, () => {
      const { low, high } = orderStatisticRanks(n, q);
      expect(coverage(n, q, low, high)).toBeGreaterThanOrEqual(0.99);
      // Each end leaves 0.5 % at most; one rank further in, it would leave more.
      expect(1 - coverage(n, q, low + 1, n + 1)).toBeGreaterThan(0.005);
      expect(1 - coverage(n, q, 0, high - 1)).toBeGreaterThan(0.005);
    });
  }

  it('need as many samples as it takes for both ends to exist', () => {
    for (const [statistic, q] of [
      ['p50', 0.5],
      ['p90', 0.9],
      ['p99', 0.99],
      ['quiet', 0.1],
    ] as const) {
      const n = samplesNeeded(statistic);
      const enough = orderStatisticRanks(n, q);
      expect(coverage(n, q, enough.low, enough.high)).toBeGreaterThanOrEqual(0.99);
      // With one sample fewer, all of them lie on one side of the quantile too often.
      expect(Math.max(q, 1 - q) ** (n - 1)).toBeGreaterThan(0.005);
    }
    expect([samplesNeeded('p50'), samplesNeeded('p90'), samplesNeeded('p99')]).toEqual([8, 51, 528]);
  });

  it('cover the true quantile of a skewed distribution as often as they say', () => {
    const rng = makeRng(3);
    const truth = Math.log(2); // the median of the exponential distribution
    const trials = 3000;
    let covered = 0;
    for (let t = 0; t < trials; t++) {
      const sorted = Float64Array.from({ length: 40 }, () => -Math.log(1 - rng.next())).sort();
      const { low, high } = estimate(sorted, 'p50');
      if (low <= truth && truth <= high) covered++;
    }
    expect(covered / trials).toBeGreaterThan(0.99 - 4 * Math.sqrt((0.99 * 0.01) / trials));
  });
});

describe('estimates', () => {
  const sorted = Float64Array.from({ length: 200 }, (_, i) => i + 1);
  it('are nearest-rank quantiles', () => {
    expect(quantileOf(sorted, 0.5)).toBe(100);
    expect(quantileOf(sorted, 0.99)).toBe(198);
    expect(estimate(sorted, 'quiet').value).toBe(20);
    expect(quantileOf([7], 0.5)).toBe(7);
  });

  it('give the mean with its normal interval', () => {
    const { value, low, high } = estimate(sorted, 'mean');
    expect(value).toBeCloseTo(100.5, 10);
    const sd = Math.sqrt((200 * 201) / 12); // of 1..n: n (n + 1) / 12
    expect(high - value).toBeCloseTo((2.5758 * sd) / Math.sqrt(200), 6);
    expect(value - low).toBeCloseTo(high - value, 10);
  });
});

describe('interleaved timing', () => {
  const options = { minSamples: 6, maxMs: 0, warmUpRuns: 2, burst: 3 };
  it('runs bursts in turn after warm-up, and sorts the samples', async () => {
    const calls: string[] = [];
    const runs = ['a', 'b'].map((name) => async () => void calls.push(name));
    const samples = await timeInterleaved(runs, options);
    expect(calls.join('')).toBe(`aabb${'aaaabbbb'.repeat(2)}`); // an untimed run leads each burst
    for (const list of samples) {
      expect(list).toHaveLength(6);
      expect([...list].sort((x, y) => x - y)).toEqual([...list]);
    }
  });

  it('asks no more than what is needed of a subject that has taken long', async () => {
    const run = async (): Promise<void> => undefined;
    const slow = { ...options, minSamples: 30, neededSamples: 5 };
    const counts = async (longMs: number) => (await timeInterleaved([run], { ...slow, longMs }))[0]?.length;
    expect(await counts(0)).toBe(6); // a whole burst
    expect(await counts(60_000)).toBe(30);
  });

  it('runs a subject once untimed after it was held up', async () => {
    const calls: string[] = [];
    const run = async () => void calls.push('a');
    let asked = 0;
    const pause = async () => {
      calls.push('|');
      return ++asked === 2;
    };
    await timeInterleaved([run], { ...options, pause });
    expect(calls.join('')).toBe('aa|aaa|aaaa');
  });

  it('stops when told to', async () => {
    const run = async (): Promise<void> => undefined;
    await expect(timeInterleaved([run], { ...options, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});
