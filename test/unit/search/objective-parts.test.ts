import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { exactFront } from '../../../src/search/exact.js';
import { type Genetics, makeGenetics, toArch } from '../../../src/search/genome.js';
import { makeLimits } from '../../../src/search/limits.js';
import { probesOfObjective, takeObjectiveApart } from '../../../src/search/objective-parts.js';
import type { Arch, MobileNetV3Space, SearchSpace } from '../../../src/space/types.js';
import { everyArch } from '../space/every-arch.js';
import { tinyResNet, tinySpace } from '../space/tiny-space.js';
import { dyadicScore, dyadicWorth, frontByDefinition } from './dyadic-score.js';
import { limitOn, type Score, toyScore } from './toy-objective.js';

const TINY = tinySpace();
const [FIRST, SECOND] = TINY.stages as [MobileNetV3Space['stages'][number], MobileNetV3Space['stages'][number]];

const geneticsOf = (space: SearchSpace): Genetics => makeGenetics(space, space.resolutions);

/** Takes a score apart, and notes what it was asked. */
async function takenApart(space: SearchSpace, score: Score) {
  const genetics = geneticsOf(space);
  const asked: Arch[] = [];
  const terms = await takeObjectiveApart(genetics, async (genomes) => {
    const archs = genomes.map((genome) => toArch(genetics, genome));
    asked.push(...archs);
    return Float32Array.from(archs, score);
  });
  return { terms, asked, most: probesOfObjective(genetics) };
}

/** A space with its architectures, listed once, and their MACs. */
function listed(space: SearchSpace) {
  const archs = everyArch(space);
  const { cost: macs } = limitOn(space, 'macs', 0);
  const costs = macs(archs);
  const { additive } = makeLimits(geneticsOf(space), [], { axis: macs, axisId: 'macs' }).axis;
  return { space, archs, costs, macs, additive: additive! };
}

/** The exact front along MACs by the terms of a score, and by listing the space. */
async function frontsOf({ space, archs, costs, additive }: ReturnType<typeof listed>, score: Score, maxCost: number) {
  const { terms } = await takenApart(space, score);
  if (terms === undefined) throw new Error('a sum was taken for none');
  const { count } = geneticsOf(space).choices;
  const { bases, depths, blocks } = additive;
  const front = exactFront({
    space,
    resolutions: space.resolutions,
    score: terms,
    cost: {
      resolution: (index) => bases[index]!,
      depth: (stage, index, resolution) => depths[resolution]![stage]![index]!,
      unit: (slot, choice, resolution) => blocks[resolution]![slot * count + choice]!,
    },
    maxCost,
  });
  const all = archs.map((arch, i) => ({ score: score(arch), cost: costs[i]! })).filter(({ cost }) => cost <= maxCost);
  return { front, expected: frontByDefinition(all) };
}

describe('an objective that is a sum', () => {
  it.each([
    ['a tiny space', TINY],
    ['a depth that follows a depth', tinySpace({ stages: [FIRST, { ...SECOND, depths: [1, 2, 3] }] })],
    ['one stage', tinySpace({ stages: [{ ...SECOND, depths: [1, 2, 3] }] })],
    ['one depth and resolution', tinySpace({ stages: [FIRST, { ...SECOND, depths: [2] }], resolutions: [12] })],
    ['one kind of block', tinySpace({ kernelSizes: [3], expandRatios: [2] })],
  ])('has the exact front of brute force, the last active blocks included: %s', async (_, space) => {
    const list = listed(space);
    const middle = list.costs.toSorted()[list.costs.length >> 1]!;
    for (const seed of [1, 2, 3]) {
      const score = dyadicScore(space, seed);
      for (const maxCost of [Number.POSITIVE_INFINITY, middle]) {
        const { front, expected } = await frontsOf(list, score, maxCost);
        expect(front.points.map((point) => ({ score: point.score, cost: point.cost }))).toEqual(expected);
        for (const [index, point] of front.points.entries()) {
          const arch = front.archAt(index);
          expect([score(arch), list.macs([arch])[0]]).toEqual([point.score, point.cost]);
        }
      }
    }
  });

  it('is found to be one where its scores are rounded to float32, which its terms then are to rounding', async () => {
    const list = listed(TINY);
    for (const seed of [4, 5]) {
      const { front, expected } = await frontsOf(list, toyScore(TINY, seed), Number.POSITIVE_INFINITY);
      const rounding = 2 ** -24 * 20; // scores below 1 of at most 14 terms, each a difference of rounded scores
      for (const { cost, score } of expected) {
        const reached = front.points.findLast((point) => point.cost <= cost)!.score;
        expect(Math.abs(reached - score), `seed ${seed}, ${cost} MACs`).toBeLessThan(rounding);
      }
    }
  });

  it('is asked about architectures of the space alone, and no more of them than announced', async () => {
    const known = new Set(everyArch(TINY).map((arch) => JSON.stringify(arch)));
    const { asked, most } = await takenApart(TINY, dyadicScore(TINY, 8));
    expect(asked.filter((arch) => !known.has(JSON.stringify(arch)))).toEqual([]);
    expect(asked.length).toBe(most);
  });
});

/** Something small beside a sum of about 1/2, by the seed; a thousandth of the scores' range. */
const SMALL = 2 ** -11;

/** Interactions that no sum over blocks and neighbors has. */
const INTERACTIONS: readonly (readonly [string, Score])[] = [
  ['blocks of different stages', ({ kernelSizes }) => (kernelSizes[0] === 5 && kernelSizes[2] === 5 ? SMALL : 0)],
  [
    'blocks of a stage that are no neighbors',
    ({ kernelSizes, depths }) => (depths[1] === 3 && kernelSizes[2] === kernelSizes[4] ? SMALL : 0),
  ],
  [
    'the resolution and a block',
    ({ kernelSizes, resolution }) => (resolution === 16 && kernelSizes[0] === 5 ? SMALL : 0),
  ],
  ['the resolution and a depth', ({ depths, resolution }) => (resolution === 16 && depths[1] === 1 ? SMALL : 0)],
  ['the depths of two stages', ({ depths }) => (depths[0] === 1 && depths[1] === 1 ? SMALL : 0)],
  ['all blocks', (arch) => dyadicWorth(9, JSON.stringify(arch)) / 32],
];

describe('an objective that is no sum', () => {
  it.each(INTERACTIONS)('is told by a small interaction of %s', async (_, interaction) => {
    for (const seed of [1, 2, 3, 4]) {
      const sum = dyadicScore(TINY, seed);
      const { terms, asked, most } = await takenApart(TINY, (arch) => sum(arch) + interaction(arch));
      expect(terms, `seed ${seed}`).toBeUndefined();
      expect(asked.length).toBeLessThanOrEqual(most);
    }
  });

  it('is told by its first squares as a rule, for few evaluations', async () => {
    const product: Score = ({ kernelSizes }) => kernelSizes.reduce((all, kernel) => all * (kernel / 4), 1);
    const { terms, asked, most } = await takenApart(TINY, product);
    expect(terms).toBeUndefined();
    expect(asked.length).toBeLessThan(most / 5);
  });

  it('is noise, above what rounding to float32 makes and not below', async () => {
    const sum = dyadicScore(TINY, 10);
    const rng = makeRng(11);
    const noisy = (size: number) => takenApart(TINY, (arch) => sum(arch) + size * (rng.next() - 0.5));
    expect((await noisy(2 ** -24)).terms).toBeDefined();
    expect((await noisy(2 ** -16)).terms).toBeUndefined();
  });

  it('is one that gives no numbers, or too few', async () => {
    expect((await takenApart(TINY, () => Number.NaN)).terms).toBeUndefined();
    expect(await takeObjectiveApart(geneticsOf(TINY), async () => new Float32Array(1))).toBeUndefined();
  });

  it('is not asked where widths are elastic', async () => {
    const { terms, asked } = await takenApart(tinyResNet(), () => 0);
    expect(terms).toBeUndefined();
    expect(asked).toEqual([]);
  });
});
