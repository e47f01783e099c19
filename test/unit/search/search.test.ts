import { describe, expect, it } from 'vitest';
import { everyGenome, makeGenetics, toArch } from '../../../src/search/genome.js';
import type { SearchOptions } from '../../../src/search/result.js';
import { search } from '../../../src/search/search.js';
import { archId, minArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import type { Arch } from '../../../src/space/types.js';
import { everyArch } from '../space/every-arch.js';
import { bundledSpace } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';
import { describeWith, limitOn, makeObjective, toyScore } from './toy-objective.js';

const TINY = tinySpace();
const TINY_ARCHS = everyArch(TINY); // 2 x 1,360 architectures

function optionsFor(changes: Partial<SearchOptions> = {}): SearchOptions {
  const space = changes.space ?? TINY;
  return {
    space,
    objective: makeObjective(toyScore(space, 1)),
    constraints: [],
    describe: describeWith(space),
    evaluations: 800,
    seed: 1,
    resolutions: space.resolutions,
    frontAxis: 'macs',
    without: ['exact'], // the toy is a sum over blocks, which would be solved and not searched
    ...changes,
  };
}

describe('search', () => {
  it('finds the exact optimum of a brute-forced space with a twentieth of it scored', async () => {
    const stage = { channels: 16, stride: 1, activation: 'relu', squeezeExcite: false, depths: [1, 2] } as const;
    const space = tinySpace({ stages: [...TINY.stages, stage] });
    const genetics = makeGenetics(space, space.resolutions);
    const archs = [...everyGenome(genetics)].map((genome) => toArch(genetics, genome));
    expect(archs.length).toBe(2 * 20 * 68 * 20);
    const figures = describeWith(space)(archs);
    const middle = [...figures.map(({ macs }) => macs)].sort((a, b) => a - b)[archs.length / 2]!;
    const constraints = [limitOn(space, 'macs', middle), limitOn(space, 'peakMemoryBytes', 12_000)];
    const allowed = archs.filter((_, i) => figures[i]!.macs <= middle && figures[i]!.peakMemoryBytes <= 12_000);
    expect(allowed.length).toBeGreaterThan(archs.length / 4);
    const evaluations = archs.length / 20;
    for (const seed of [1, 2, 3]) {
      const score = toyScore(space, seed);
      const expected = allowed.reduce((best, arch) => Math.max(best, score(arch)), 0);
      const { best } = await search(
        optionsFor({ space, objective: makeObjective(score), constraints, seed, evaluations }),
      );
      expect(best.predictedTop1).toBe(expected);
    }
  });

  it('lists a space that fits its evaluations, each architecture once', async () => {
    const objective = makeObjective(toyScore(TINY, 9));
    const { best, evaluations } = await search(optionsFor({ objective, evaluations: 5_000 }));
    expect(evaluations).toBe(TINY_ARCHS.length);
    expect(best.predictedTop1).toBe(Math.max(...TINY_ARCHS.map(toyScore(TINY, 9))));
  });

  it('never scores an architecture twice or more than its evaluations, and returns nothing infeasible', async () => {
    const space = bundledSpace();
    const objective = makeObjective(toyScore(space, 3));
    const limit = limitOn(space, 'macs', 5_000_000);
    const { evaluations, best, paretoFront } = await search(
      optionsFor({ space, objective, constraints: [limit], evaluations: 3_000 }),
    );
    expect(evaluations).toBe(3_000);
    expect(objective.asked.length).toBe(3_000);
    expect(new Set(objective.asked.map((arch) => archId(space, arch))).size).toBe(3_000);
    // Changes are scored also where they do not fit, to know what they gain; they count, and go no further.
    expect(Math.max(...limit.cost([best, ...paretoFront].map(({ arch }) => arch)))).toBeLessThanOrEqual(5_000_000);
    expect(best.archId).toBe(archId(space, best.arch));
    expect(best).toMatchObject({ macs: archCosts(space, best.arch).macs, params: archCosts(space, best.arch).params });
  });

  it('gives the same result for the same options, and another course for another seed', async () => {
    const space = bundledSpace();
    const asked: Arch[][] = [];
    const results = [];
    for (const seed of [7, 7, 8]) {
      const objective = makeObjective(toyScore(space, 3));
      results.push(await search(optionsFor({ space, objective, seed, evaluations: 2_000 })));
      asked.push(objective.asked);
    }
    expect(results[1]).toEqual(results[0]);
    expect(asked[1]).toEqual(asked[0]);
    expect(asked[2]).not.toEqual(asked[0]);
  });

  it('finds what a constraint leaves when that is almost nothing', async () => {
    const space = bundledSpace();
    const smallest = archCosts(space, minArch(space)).macs;
    const constraints = [limitOn(space, 'macs', smallest)];
    const { best, evaluations } = await search(optionsFor({ space, constraints, evaluations: 2_000 }));
    expect(best.arch).toEqual(minArch(space));
    expect(evaluations).toBe(1); // nothing else is feasible, and the search ends on its own
  });

  it('keeps to the asked resolutions', async () => {
    const { paretoFront } = await search(optionsFor({ resolutions: [16] }));
    expect(new Set(paretoFront.map(({ arch }) => arch.resolution))).toEqual(new Set([16]));
  });

  it('stops at its time limit, with what it has', async () => {
    const space = bundledSpace();
    let seconds = 100;
    const now = (): number => seconds++;
    const { cutShort, evaluations } = await search(optionsFor({ space, evaluations: 50_000, maxSeconds: 5, now }));
    expect(cutShort).toBe(true);
    expect(evaluations).toBeGreaterThan(100);
    expect(evaluations).toBeLessThan(5_000);
    const unlimited = await search(optionsFor({ space, evaluations: 500, now }));
    expect(unlimited.cutShort).toBe(false);
  });

  it('tells its progress, rising to the end, and records it', async () => {
    const told: { evaluations: number; bestTop1: number }[] = [];
    const space = bundledSpace();
    const result = await search(
      optionsFor({ space, evaluations: 2_000, onProgress: (progress) => told.push(progress) }),
    );
    expect(told.length).toBeGreaterThan(5);
    expect(told.at(-1)).toEqual({
      evaluations: 2_000,
      bestTop1: result.best.predictedTop1,
      frontSize: result.paretoFront.length,
    });
    told.slice(1).forEach((progress, index) => {
      expect(progress.evaluations).toBeGreaterThanOrEqual(told[index]!.evaluations);
      expect(progress.bestTop1).toBeGreaterThanOrEqual(told[index]!.bestTop1);
    });
    expect(result.history.at(-1)).toEqual(told.at(-1));
  });

  it('stops with the reason when it is aborted', async () => {
    const controller = new AbortController();
    const space = bundledSpace();
    const onProgress = (): void => controller.abort(new Error('enough'));
    const { signal } = controller;
    await expect(search(optionsFor({ space, evaluations: 50_000, signal, onProgress }))).rejects.toThrow('enough');
  });

  it('refuses an axis without a cost, and an objective that gives no number', async () => {
    await expect(search(optionsFor({ frontAxis: 'maxLatencyMs' }))).rejects.toThrow(/no maxLatencyMs/);
    await expect(search(optionsFor({ frontAxis: 'beauty' }))).rejects.toThrow(/no cost named beauty/);
    await expect(search(optionsFor({ objective: makeObjective(() => Number.NaN) }))).rejects.toThrow(/NaN/);
  });
});
