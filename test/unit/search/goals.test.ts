import { describe, expect, it } from 'vitest';
import type { SearchOptions } from '../../../src/search/result.js';
import { search } from '../../../src/search/search.js';
import { archCosts } from '../../../src/space/costs.js';
import { everyArch } from '../space/every-arch.js';
import { bundledSpace } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';
import { describeWith, makeObjective, toyScore } from './toy-objective.js';

function optionsFor(changes: Partial<SearchOptions> = {}): SearchOptions {
  const space = changes.space ?? bundledSpace();
  return {
    space,
    objective: makeObjective(toyScore(space, 1)),
    constraints: [],
    describe: describeWith(space),
    evaluations: 2_000,
    seed: 1,
    resolutions: space.resolutions,
    frontAxis: 'macs',
    without: ['exact'], // the toy is a sum over blocks, which would be solved and not searched
    ...changes,
  };
}

describe('goals of a search', () => {
  it('finds the fewest MACs of a listed space that score well enough', async () => {
    const space = tinySpace();
    const score = toyScore(space, 4);
    const archs = everyArch(space);
    const minScore = archs.map(score).sort((a, b) => b - a)[50]!;
    const cheapest = Math.min(
      ...archs.filter((arch) => score(arch) >= minScore).map((arch) => archCosts(space, arch).macs),
    );
    const objective = makeObjective(score);
    const { best } = await search(optionsFor({ space, objective, goal: 'macs', minScore, evaluations: 5_000 }));
    expect(best.macs).toBe(cheapest);
    expect(best.predictedTop1).toBeGreaterThanOrEqual(minScore);
  });

  it('gets below what the front of a search for accuracy costs at that score', async () => {
    const found = await search(optionsFor());
    const middle = found.paretoFront[Math.floor(found.paretoFront.length / 2)]!;
    const { best } = await search(optionsFor({ goal: 'macs', minScore: middle.predictedTop1 }));
    expect(best.predictedTop1).toBeGreaterThanOrEqual(middle.predictedTop1);
    expect(best.macs).toBeLessThanOrEqual(middle.macs);
  });
});

describe('warm start', () => {
  it('begins with what is given, and passes over what is of another space or resolution', async () => {
    const { best } = await search(optionsFor({ evaluations: 8_000 }));
    const objective = makeObjective(toyScore(bundledSpace(), 1));
    const strangers = [
      { ...best.arch, spaceId: 'another' },
      { ...best.arch, resolution: 999 },
    ];
    const warm = await search(optionsFor({ objective, evaluations: 200, warmStart: [...strangers, best.arch] }));
    expect(objective.asked[0]).toEqual(best.arch);
    expect(warm.best.predictedTop1).toBeGreaterThanOrEqual(best.predictedTop1);
    expect(warm.evaluations).toBe(200);
  });
});

describe('progress', () => {
  it('describes the front so far when it is asked for', async () => {
    const fronts: number[][] = [];
    await search(
      optionsFor({
        onProgress: ({ bestTop1 }, front) => {
          const scores = front().map(({ predictedTop1 }) => predictedTop1);
          expect(scores.at(-1)).toBe(bestTop1);
          fronts.push(scores);
        },
      }),
    );
    expect(fronts.length).toBeGreaterThan(5);
  });

  it('is told of an abort between two batches', async () => {
    const controller = new AbortController();
    const objective = makeObjective(toyScore(bundledSpace(), 1));
    const scored = objective.score;
    let afterAbort = 0;
    const slow = {
      score: async (archs: Parameters<typeof scored>[0]) => {
        if (controller.signal.aborted) afterAbort++;
        if (objective.asked.length > 1_500) setImmediate(() => controller.abort(new Error('enough')));
        return scored(archs);
      },
    };
    const { signal } = controller;
    await expect(search(optionsFor({ objective: slow, evaluations: 50_000, signal }))).rejects.toThrow('enough');
    expect(afterAbort).toBeLessThanOrEqual(1); // the event loop turns after every batch
  });
});
