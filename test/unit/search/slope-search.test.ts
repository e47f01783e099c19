import { describe, expect, it } from 'vitest';
import { everyGenome, makeGenetics, toArch } from '../../../src/search/genome.js';
import { hypervolume } from '../../../src/search/pareto.js';
import type { SearchOptions } from '../../../src/search/result.js';
import { search } from '../../../src/search/search.js';
import { archId, minArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import { decodeArch } from '../../../src/space/encoding.js';
import type { Arch } from '../../../src/space/types.js';
import { bundledSpace, RESNET50 } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';
import { encodedToy } from './encoded-toy.js';
import { describeWith, limitOn } from './toy-objective.js';

function optionsFor(changes: Partial<SearchOptions> = {}): SearchOptions {
  const space = changes.space ?? bundledSpace();
  return {
    space,
    objective: encodedToy(space, { seed: 1, hidden: 12 }),
    constraints: [],
    describe: describeWith(space),
    evaluations: 3_000,
    seed: 1,
    resolutions: space.resolutions,
    frontAxis: 'macs',
    ...changes,
  };
}

const stage = { channels: 16, stride: 1, activation: 'relu', squeezeExcite: false, depths: [1, 2] } as const;
/** 2 x 20 x 68 x 20 architectures. */
const LISTED = tinySpace({ stages: [...tinySpace().stages, stage] });

/** Every architecture of the listed space with its figures. */
function everyOne() {
  const genetics = makeGenetics(LISTED, LISTED.resolutions);
  const archs = [...everyGenome(genetics)].map((genome) => toArch(genetics, genome));
  const figures = describeWith(LISTED)(archs);
  return { archs, figures, middleMacs: figures.map(({ macs }) => macs).sort((a, b) => a - b)[archs.length / 2]! };
}
const { archs: ARCHS, figures: FIGURES, middleMacs: MIDDLE } = everyOne();
const TWENTIETH = ARCHS.length / 20;

const scoresOf = (seed: number, archs: readonly Arch[], hidden = 12): Promise<Float32Array> =>
  encodedToy(LISTED, { seed, hidden }).score(archs);

describe('search with slopes in a space that brute force lists', () => {
  it.each([0, 12])('finds the optimum with a twentieth of it scored (%i hidden units)', async (hidden) => {
    expect(ARCHS.length).toBe(54_400);
    const isAllowed = FIGURES.map(({ macs, peakMemoryBytes }) => macs <= MIDDLE && peakMemoryBytes <= 12_000);
    expect(isAllowed.filter(Boolean).length).toBeGreaterThan(ARCHS.length / 4);
    const constraints = [limitOn(LISTED, 'macs', MIDDLE), limitOn(LISTED, 'peakMemoryBytes', 12_000)];
    for (const seed of [1, 2, 3]) {
      const scores = await scoresOf(seed, ARCHS, hidden);
      const expected = scores.reduce((most, score, i) => (isAllowed[i] ? Math.max(most, score) : most), -9);
      const objective = encodedToy(LISTED, { seed, hidden });
      const { best } = await search(
        optionsFor({ space: LISTED, objective, constraints, seed, evaluations: TWENTIETH }),
      );
      expect(best.predictedTop1, `seed ${seed}`).toBe(expected);
    }
  });

  it("finds a front of almost the exact one's area", async () => {
    for (const seed of [1, 2, 3]) {
      const scores = await scoresOf(seed, ARCHS);
      const exact = FIGURES.map(({ macs }, i) => ({ cost: macs, score: scores[i]! }));
      const reference = {
        cost: Math.max(...FIGURES.map(({ macs }) => macs)) + 1,
        score: scores.reduce((least, score) => Math.min(least, score)),
      };
      const objective = encodedToy(LISTED, { seed, hidden: 12 });
      const { paretoFront } = await search(optionsFor({ space: LISTED, objective, seed, evaluations: TWENTIETH }));
      const found = paretoFront.map(({ macs, predictedTop1 }) => ({ cost: macs, score: predictedTop1 }));
      const share = hypervolume(found, reference) / hypervolume(exact, reference);
      expect(share, `seed ${seed}`).toBeGreaterThan(0.99);
      expect(share).toBeLessThanOrEqual(1 + 1e-12); // or one of the fronts is none
    }
  });

  it('finds the fewest MACs that score well enough', async () => {
    for (const seed of [1, 2, 3]) {
      const scores = await scoresOf(seed, ARCHS);
      const minScore = [...scores].sort((a, b) => b - a)[ARCHS.length / 50]!;
      const isAllowed = FIGURES.map(({ peakMemoryBytes }, i) => peakMemoryBytes <= 9_000 && scores[i]! >= minScore);
      const cheapest = Math.min(...FIGURES.filter((_, i) => isAllowed[i]).map(({ macs }) => macs));
      const constraints = [limitOn(LISTED, 'peakMemoryBytes', 9_000)];
      const objective = encodedToy(LISTED, { seed, hidden: 12 });
      const { best, paretoFront } = await search(
        optionsFor({ space: LISTED, objective, constraints, seed, evaluations: TWENTIETH, goal: 'macs', minScore }),
      );
      expect(best.macs, `seed ${seed}`).toBe(cheapest);
      expect(best).toEqual(paretoFront[0]);
      expect(Math.min(...paretoFront.map(({ predictedTop1 }) => predictedTop1))).toBeGreaterThanOrEqual(minScore);
    }
  });
});

describe('search with slopes', () => {
  it.each([
    ['the bundled space', bundledSpace(), 6e6],
    ['the published ResNets, of elastic widths and stem', RESNET50, 3e9],
  ])('counts slopes as two evaluations each, scores nothing twice and keeps its limit in %s', async (_, space, max) => {
    const objective = encodedToy(space, { seed: 3, hidden: 12 });
    const limit = limitOn(space, 'macs', max);
    const spent: number[] = [];
    const { scores, slopes, archs } = objective.asked;
    const onProgress = (): void => void spent.push(scores.length + 2 * slopes.length);
    const { evaluations, best, paretoFront, history } = await search(
      optionsFor({ space, objective, constraints: [limit], frontAxis: 'maxMacs', onProgress }),
    );
    expect(evaluations).toBe(3_000);
    expect(scores.length + 2 * slopes.length).toBe(3_000);
    expect(slopes.length).toBeGreaterThan(30);
    expect(archs.length).toBe(0);
    expect(new Set(scores).size).toBe(scores.length);
    expect(Math.max(...limit.cost(paretoFront.map(({ arch }) => arch)))).toBeLessThanOrEqual(max);
    expect(best).toEqual(paretoFront.at(-1));
    expect(best.archId).toBe(archId(space, best.arch));
    expect(best.macs).toBe(archCosts(space, best.arch).macs);
    const told = paretoFront.map(({ predictedTop1 }) => predictedTop1);
    expect(told).toEqual([...(await objective.score(paretoFront.map(({ arch }) => arch)))]);
    expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
    expect(history.map((point) => point.evaluations)).toEqual([...new Set(spent)]);
  });

  it('gives the same result for the same seed, and takes another course for another', async () => {
    const courses = [];
    for (const seed of [7, 7, 8]) {
      const objective = encodedToy(bundledSpace(), { seed: 3, hidden: 12 });
      courses.push({
        result: await search(optionsFor({ objective, seed, evaluations: 2_000 })),
        asked: objective.asked,
      });
    }
    expect(courses[1]).toEqual(courses[0]);
    expect(courses[2]!.asked).not.toEqual(courses[0]!.asked);
  });

  it('does without slopes where they are left out, by rows still', async () => {
    const objective = encodedToy(LISTED, { seed: 2, hidden: 12 });
    const { best, evaluations } = await search(
      optionsFor({ space: LISTED, objective, evaluations: TWENTIETH, without: ['slopes'] }),
    );
    const { scores, slopes, archs } = objective.asked;
    expect([slopes.length, archs.length]).toEqual([0, 0]);
    expect(scores.length).toBe(evaluations);
    expect(evaluations).toBeLessThanOrEqual(TWENTIETH); // it may end where all that the learned guesses promise is known
    const all = [...(await scoresOf(2, ARCHS))].sort((a, b) => b - a);
    expect(best.predictedTop1).toBeGreaterThanOrEqual(all[5]!); // one of the best six of 54,400
  });

  it('asks about architectures where the encoding lacks a resolution that is searched', async () => {
    const space = bundledSpace();
    const [first, ...others] = space.resolutions;
    const whole = encodedToy(space, { seed: 4, hidden: 12 });
    const lacking = { ...whole.encoded, resolutions: others };
    const evaluations = 800;
    const { best } = await search(optionsFor({ objective: { ...whole, encoded: lacking }, evaluations }));
    expect(whole.asked.archs.length).toBe(evaluations);
    expect([whole.asked.scores.length, whole.asked.slopes.length]).toEqual([0, 0]);
    expect(best.predictedTop1).toBe((await whole.score([best.arch]))[0]);
    // Where it is not searched, nothing is lacking.
    const fewer = encodedToy(space, { seed: 4, hidden: 12, resolutions: others });
    const result = await search(optionsFor({ objective: fewer, evaluations, resolutions: others }));
    expect(fewer.asked.archs.length).toBe(0);
    expect(fewer.asked.slopes.length).toBeGreaterThan(0);
    expect(result.paretoFront.map(({ arch }) => arch.resolution)).not.toContain(first);
  });

  it.each([1, 2, 3, 4, 5, 10, 11])('ends with a result after %i evaluations', async (evaluations) => {
    const space = bundledSpace();
    const limit = limitOn(space, 'macs', 5e6);
    for (const seed of [1, 2, 3]) {
      const objective = encodedToy(space, { seed, hidden: 12 });
      const result = await search(optionsFor({ space, objective, constraints: [limit], seed, evaluations }));
      const { scores, slopes } = objective.asked;
      expect(scores.length + 2 * slopes.length).toBe(evaluations);
      expect(result.evaluations).toBe(evaluations);
      expect(limit.cost([result.best.arch])[0]).toBeLessThanOrEqual(5e6);
      expect(result.best.predictedTop1).toBe((await objective.score([result.best.arch]))[0]);
    }
  });

  it.each([
    ['some blocks', 160_000],
    ['all of some resolutions', 120_000],
  ])('looks around networks alone that keep a limit on peak memory which forbids %s', async (_, max) => {
    const space = bundledSpace();
    const objective = encodedToy(space, { seed: 6, hidden: 12 });
    const peak = limitOn(space, 'peakMemoryBytes', max);
    const smallest = space.resolutions.map((resolution) => peak.cost([{ ...minArch(space), resolution }])[0]!);
    expect(smallest.some((each) => each > max)).toBe(max === 120_000);
    expect(Math.min(...smallest)).toBeLessThanOrEqual(max);
    await search(optionsFor({ space, objective, constraints: [peak], evaluations: 6_000 }));
    const rows = objective.asked.slopes.map((row) => Float32Array.from(row, Number));
    const over = peak.cost(rows.map((row) => decodeArch(space, row))).filter((each) => each > max);
    expect(rows.length).toBeGreaterThan(100);
    expect(over.length).toBe(0); // around others hardly anything that is proposed may be scored
  });

  it('ends where nearly all that it finds around it is known, and does not look for the rest of its evaluations', async () => {
    const space = bundledSpace();
    const objective = encodedToy(space, { seed: 5, hidden: 12 });
    const constraints = [limitOn(space, 'macs', 900_000)];
    const { best, evaluations } = await search(optionsFor({ space, objective, constraints, evaluations: 20_000 }));
    expect(evaluations).toBeLessThan(20_000);
    expect(objective.asked.slopes.length).toBeLessThanOrEqual(8_000);
    const again = await search(optionsFor({ space, objective, constraints, evaluations: 60_000, seed: 2 }));
    expect(again.best.predictedTop1).toBe(best.predictedTop1);
  });

  it('ends on its own where a constraint leaves almost nothing', async () => {
    const space = bundledSpace();
    const objective = encodedToy(space, { seed: 5, hidden: 12 });
    const constraints = [limitOn(space, 'macs', archCosts(space, minArch(space)).macs)];
    const { best } = await search(optionsFor({ space, objective, constraints, evaluations: 50_000 }));
    expect(best.arch).toEqual(minArch(space));
    expect(objective.asked.scores.length).toBe(1);
    // Slopes there are asked once, and rounds without anything new end a search.
    expect(objective.asked.slopes.length).toBeLessThanOrEqual(64 * 25);
  });
});
