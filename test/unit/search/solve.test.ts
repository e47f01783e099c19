import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { makeGenetics } from '../../../src/search/genome.js';
import { probesOfObjective } from '../../../src/search/objective-parts.js';
import type { SearchOptions } from '../../../src/search/result.js';
import { search } from '../../../src/search/search.js';
import type { Constraint } from '../../../src/search/types.js';
import { makeBlockTable } from '../../../src/space/block-table.js';
import { everyArch } from '../space/every-arch.js';
import { tinyResNet, tinySpace } from '../space/tiny-space.js';
import { dyadicScore, frontByDefinition } from './dyadic-score.js';
import { encodedToy } from './encoded-toy.js';
import { describeWith, limitOn, makeObjective, type Score, toyScore } from './toy-objective.js';

const TINY = tinySpace();
const ARCHS = everyArch(TINY); // 2,720 architectures
const FIGURES = describeWith(TINY)(ARCHS);
const MACS = FIGURES.map(({ macs }) => macs);
const MIDDLE = MACS.toSorted((a, b) => a - b)[MACS.length >> 1]!;
const EVALUATIONS = 800; // too few to list the space
const PROBES = probesOfObjective(makeGenetics(TINY, TINY.resolutions));

function optionsFor(changes: Partial<SearchOptions> = {}): SearchOptions {
  const space = changes.space ?? TINY;
  return {
    space,
    objective: makeObjective(dyadicScore(space, 1)),
    constraints: [],
    describe: describeWith(space),
    evaluations: EVALUATIONS,
    seed: 1,
    resolutions: space.resolutions,
    frontAxis: 'macs',
    ...changes,
  };
}

/** A latency of seeded blocks, as floating-point numbers: sums of it depend on their order. */
function latency(seed: number, max: number): Constraint {
  const rng = makeRng(seed);
  const table = makeBlockTable(
    TINY,
    (layers, resolution) => (resolution / 12) * (0.1 + rng.fork(JSON.stringify(layers.map(({ name }) => name))).next()),
  );
  return { id: 'maxLatencyMs', max, cost: (archs) => table.total(archs) };
}

/** A search, and how many architectures its objective was asked about. */
async function counted(score: Score, changes: Partial<SearchOptions> = {}) {
  const objective = makeObjective(score);
  const result = await search(optionsFor({ objective, ...changes }));
  return { result, asked: objective.asked };
}

/** What does not come of being solved: the same as where that is left out. */
async function isNotSolved(score: Score, changes: Partial<SearchOptions>): Promise<void> {
  const found = await counted(score, changes);
  expect(found).toEqual(await counted(score, { ...changes, without: ['exact'] }));
  expect(found.asked.length).toBe(found.result.evaluations);
}

describe('a search for a sum', () => {
  it('gives the exact front of brute force, whatever the seed, with and without a limit', async () => {
    for (const scoreSeed of [1, 2, 3]) {
      const score = dyadicScore(TINY, scoreSeed);
      const all = ARCHS.map((arch, i) => ({ score: score(arch), cost: MACS[i]! }));
      for (const constraints of [[], [limitOn(TINY, 'macs', MIDDLE)]]) {
        const expected = frontByDefinition(all.filter(({ cost }) => constraints.length === 0 || cost <= MIDDLE));
        const { result, asked } = await counted(score, { constraints, frontAxis: constraints[0]?.id ?? 'macs' });
        const points = result.paretoFront.map(({ predictedTop1, macs }) => ({ score: predictedTop1, cost: macs }));
        expect(points).toEqual(expected);
        expect(result.best).toEqual(result.paretoFront.at(-1));
        expect(result.evaluations).toBe(asked.length);
        expect(asked.length).toBe(PROBES + expected.length);
        for (const seed of [2, 77]) {
          expect((await counted(score, { constraints, seed })).result).toEqual(result);
        }
      }
    }
  });

  it('gives the best of brute force for sums that are rounded to float32', async () => {
    for (const seed of [1, 2, 3, 4]) {
      const score = toyScore(TINY, seed);
      const best = Math.max(...ARCHS.filter((_, i) => MACS[i]! <= MIDDLE).map(score));
      const { result } = await counted(score, { constraints: [limitOn(TINY, 'macs', MIDDLE)] });
      expect(Math.abs(result.best.predictedTop1 - best)).toBeLessThan(2 ** -24 * 20); // of 14 terms, each rounded
      expect(result.evaluations).toBeLessThan(PROBES + 200);
    }
  });

  it('reaches a limit that only rounding keeps a sum of latencies from', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const costs = [...latency(seed, 0).cost(ARCHS)];
      const score = dyadicScore(TINY, seed);
      for (const max of [Math.min(...costs), costs[900]!]) {
        const best = Math.max(...ARCHS.filter((_, i) => costs[i]! <= max).map(score));
        const { result } = await counted(score, { constraints: [latency(seed, max)], frontAxis: 'maxLatencyMs' });
        expect(result.best.predictedTop1, `seed ${seed}, at most ${max}`).toBe(best);
        expect(
          latency(seed, max)
            .cost(result.paretoFront.map(({ arch }) => arch))
            .every((ms) => ms <= max),
        ).toBe(true);
      }
    }
  });

  it('finds the cheapest that is good enough, as brute force does', async () => {
    for (const seed of [1, 2]) {
      const score = dyadicScore(TINY, seed);
      const minScore = ARCHS.map(score).sort((a, b) => b - a)[300]!;
      const good = ARCHS.flatMap((arch, i) => (score(arch) >= minScore ? [i] : []));
      const few = await counted(score, { goal: 'macs', minScore });
      expect(few.result.best.macs).toBe(Math.min(...good.map((i) => MACS[i]!)));
      const times = latency(seed, 100);
      const costs = times.cost(ARCHS);
      const fast = await counted(score, { goal: 'latency', minScore, constraints: [times] });
      expect(times.cost([fast.result.best.arch])[0]).toBe(Math.min(...good.map((i) => costs[i]!)));
      expect(fast.result.best.predictedTop1).toBeGreaterThanOrEqual(minScore);
      expect(fast.asked.length).toBeLessThan(PROBES + 200);
    }
  });

  it('finds it also where the front is longer than what may be scored', async () => {
    // What costs more is better, so that all is front; at one resolution, as MACs are no sum over blocks and resolutions.
    const resolutions = [16];
    const { cost: macs } = limitOn(TINY, 'macs', 0);
    const score: Score = (arch) => macs([arch])[0]! / 2 ** 20;
    const costs = ARCHS.flatMap(({ resolution }, i) => (resolution === 16 ? [MACS[i]!] : []));
    const distinct = [...new Set(costs)].sort((a, b) => a - b);
    const probes = probesOfObjective(makeGenetics(TINY, resolutions));
    const evaluations = 2 * probes;
    expect(distinct.length).toBeGreaterThan(3 * probes);
    for (const rank of [0, 1, 333, distinct.length - 1]) {
      const minScore = distinct[rank]! / 2 ** 20;
      const { result, asked } = await counted(score, { resolutions, goal: 'macs', minScore, evaluations });
      expect(result.best.macs).toBe(distinct[rank]);
      expect(result.evaluations).toBe(asked.length);
      expect(asked.length).toBeLessThanOrEqual(evaluations);
      expect(asked.length).toBeGreaterThan(evaluations - 20); // what is near is scored but once
    }
    const { result } = await counted(score, { resolutions, evaluations });
    expect(result.best.macs).toBe(distinct.at(-1));
    expect(result.paretoFront.length).toBe(evaluations - probes);
    const above = distinct.at(-5)!; // breaks the limit by less than rounding is allowed for, and is not counted among what is scored
    const constraints = [limitOn(TINY, 'macs', above - 1e-6)];
    const limited = await counted(score, { resolutions, evaluations, constraints });
    expect(limited.result.best.macs).toBe(distinct.at(-6));
    expect(limited.result.paretoFront.length).toBe(evaluations - probes);
  });

  it('is solved from twice the evaluations on that probing takes, and below searched', async () => {
    const score = dyadicScore(TINY, 5);
    await isNotSolved(score, { evaluations: 2 * PROBES - 1 });
    const all = ARCHS.map((arch, i) => ({ score: score(arch), cost: MACS[i]! }));
    const { result } = await counted(score, { evaluations: 2 * PROBES });
    expect(result.paretoFront.length).toBe(frontByDefinition(all).length);
    expect(result.evaluations).toBeLessThanOrEqual(2 * PROBES);
  });

  it('stops with the reason when it is aborted, or its objective fails, while it is probed', async () => {
    for (const call of [1, 2, 3, 4, 5]) {
      const { score } = makeObjective(dyadicScore(TINY, 1));
      const controller = new AbortController();
      let calls = 0;
      const aborts = {
        score: async (archs: Parameters<typeof score>[0]) => {
          if (++calls === call) controller.abort(new Error(`enough ${call}`));
          return score(archs);
        },
      };
      await expect(search(optionsFor({ objective: aborts, signal: controller.signal }))).rejects.toThrow(
        `enough ${call}`,
      );
      expect(calls).toBeLessThanOrEqual(Math.min(call + 1, 6)); // after the fifth the front is asked about
      let left = call;
      const fails = {
        score: async (archs: Parameters<typeof score>[0]) => {
          if (--left === 0) throw new Error(`broken ${call}`);
          return score(archs);
        },
      };
      await expect(search(optionsFor({ objective: fails }))).rejects.toThrow(`broken ${call}`);
    }
  });
});

describe('a search that is not solved', () => {
  it('is one with two limits, a limit on peak memory, a limit beside the axis, elastic widths, or slopes', async () => {
    const score = dyadicScore(TINY, 1);
    const [macs, params] = [limitOn(TINY, 'macs', MIDDLE), limitOn(TINY, 'params', 1e9)];
    await isNotSolved(score, { constraints: [macs, params] });
    await isNotSolved(score, { constraints: [params] }); // the front runs along MACs
    await isNotSolved(score, { constraints: [limitOn(TINY, 'peakMemoryBytes', 8_000)] });
    await isNotSolved(score, { frontAxis: 'maxPeakMemoryBytes' });
    const space = tinyResNet();
    await isNotSolved(() => 0.5, { space, evaluations: 500 });
    const linear = () => encodedToy(TINY, { seed: 3, hidden: 0 });
    const found = await search(optionsFor({ objective: linear() }));
    expect(found).toEqual(await search(optionsFor({ objective: linear(), without: ['exact'] })));
  });

  it('says what is infeasible as before, and asks nothing', async () => {
    const score = dyadicScore(TINY, 1);
    const constraints = [limitOn(TINY, 'macs', Math.min(...MACS) - 1)];
    const failureOf = async (changes: Partial<SearchOptions>): Promise<unknown> => {
      const objective = makeObjective(score);
      const failure = await search(optionsFor({ objective, constraints, ...changes })).catch((error: unknown) => error);
      expect(objective.asked).toEqual([]);
      return failure;
    };
    const failure = await failureOf({});
    expect(failure).toMatchObject({ code: 'infeasible-constraints', extras: { binding: ['maxMacs'] } });
    expect(failure).toEqual(await failureOf({ without: ['exact'] }));
  });

  it('says how good it gets where that is not good enough', async () => {
    const score = dyadicScore(TINY, 1);
    const best = Math.max(...ARCHS.map(score));
    const minScore = best + 1e-6;
    await expect(counted(score, { minScore })).rejects.toMatchObject({
      extras: { nearestFeasible: { minTop1: best } },
    });
    await expect(counted(score, { minScore, goal: 'macs' })).rejects.toMatchObject({
      extras: { nearestFeasible: { minTop1: best } },
    });
  });

  it('goes on after it found that its objective is no sum, within its evaluations, to the best of brute force', async () => {
    const interactions: Score[] = [
      ({ kernelSizes }) => (kernelSizes[0] === 5 && kernelSizes[2] === 5 ? 2 ** -11 : 0),
      ({ kernelSizes, resolution }) => (resolution === 16 && kernelSizes[0] === 5 ? 2 ** -11 : 0),
    ];
    for (const [index, interaction] of interactions.entries()) {
      const sum = dyadicScore(TINY, 20 + index);
      const score: Score = (arch) => sum(arch) + interaction(arch);
      const allowed = ARCHS.filter((_, i) => MACS[i]! <= MIDDLE).map(score);
      const { result, asked } = await counted(score, { constraints: [limitOn(TINY, 'macs', MIDDLE)] });
      expect(result.evaluations).toBe(asked.length);
      expect(asked.length).toBeLessThanOrEqual(EVALUATIONS);
      expect(asked.length).toBeGreaterThan(PROBES + 200); // it searched
      expect(result.best.predictedTop1).toBe(Math.max(...allowed));
    }
  });
});
