import { beforeEach, describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { propose } from '../../../src/search/climb.js';
import { keyed, makeGenetics, randomGenome, toArch } from '../../../src/search/genome.js';
import { makeLimits } from '../../../src/search/limits.js';
import type { SearchOptions } from '../../../src/search/result.js';
import { startRun, takeIn } from '../../../src/search/run.js';
import { makeScorer } from '../../../src/search/scorer.js';
import type { Constraint } from '../../../src/search/types.js';
import { encodeArchs } from '../../../src/space/encoding.js';
import { bundledSpace } from '../space/published-spaces.js';
import { encodedToy } from './encoded-toy.js';
import { describeWith, limitOn } from './toy-objective.js';

const space = bundledSpace();
const genetics = makeGenetics(space, space.resolutions);
let rng = makeRng(81);
beforeEach(() => {
  rng = makeRng(81); // what a test draws must not depend on those before it
});
const draw = (count: number) => Array.from({ length: count }, () => keyed(genetics, randomGenome(genetics, rng)));
const toy = () => encodedToy(space, { seed: 5, hidden: 10 });

function scorerOf(budget: number, constraints: readonly Constraint[] = []) {
  const objective = toy();
  const { cost: axis } = limitOn(space, 'macs', 0);
  const limits = makeLimits(genetics, constraints, { axis, axisId: 'macs' });
  return { objective, scorer: makeScorer({ genetics, objective, limits, budget, withSlopes: true }) };
}

describe('a scorer', () => {
  it('guesses around each genome by the slopes there', async () => {
    const { scorer } = scorerOf(100);
    const centers = draw(8);
    const others = draw(5);
    const guesses = await scorer.guesses(centers);
    expect(guesses.length).toBe(8);
    expect(scorer.evaluations).toBe(16);
    for (const [index, center] of centers.entries()) {
      const rows = encodeArchs(
        space,
        [center, ...others].map(({ genome }) => toArch(genetics, genome)),
      );
      const features = rows.length / (1 + others.length);
      const slopes = await toy().encoded.slopes(rows.subarray(0, features)).take();
      others.forEach((other, at) => {
        let expected = 0;
        for (let i = 0; i < features; i++) expected += slopes[i]! * (rows[(1 + at) * features + i]! - rows[i]!);
        const guess = guesses[index]!;
        expect(guess.of(other.genome) - guess.of(center.genome)).toBeCloseTo(expected, 12); // float64 sums of some 40 numbers below 1
      });
    }
  });

  it('asks for the slopes around a genome once, and for no more than leave something to score along them', async () => {
    const { scorer, objective } = scorerOf(30);
    const genomes = draw(6);
    expect((await scorer.guesses(genomes.slice(0, 3))).length).toBe(3);
    expect(scorer.remaining).toBe(24);
    expect((await scorer.guesses(genomes.slice(0, 3).toReversed())).length).toBe(3); // known
    expect(scorer.remaining).toBe(24);
    expect((await scorer.guesses([genomes[0]!, ...genomes.slice(3), ...draw(9)])).length).toBe(4); // 24 left pay for 3 more
    expect(scorer.remaining).toBe(18);
    expect((await scorer.score(draw(40))).length).toBe(18);
    expect(scorer.remaining).toBe(0);
    expect((await scorer.score(draw(4))).length).toBe(0);
    expect((await scorer.guesses(draw(1))).length).toBe(0);
    expect([objective.asked.slopes.length, objective.asked.scores.length]).toEqual([6, 18]);
  });

  it('asks for slopes while three evaluations are left, and scores what two cannot pay', async () => {
    const { scorer } = scorerOf(3);
    expect((await scorer.guesses(draw(2))).length).toBe(1);
    expect((await scorer.guesses(draw(2))).length).toBe(0);
    expect((await scorer.score(draw(4))).length).toBe(1);
    const two = scorerOf(2).scorer;
    expect((await two.guesses(draw(1))).length).toBe(0);
    expect((await two.score(draw(4))).length).toBe(2);
  });

  it('scores what is new and keeps the limits, each once, with the score and cost that the architecture has', async () => {
    const limit = limitOn(space, 'macs', 6_000_000);
    const { scorer, objective } = scorerOf(1_000, [limit]);
    const genomes = draw(60);
    const first = await scorer.score([...genomes, ...genomes]);
    const again = await scorer.score(genomes);
    const archs = genomes.map(({ genome }) => toArch(genetics, genome));
    const costs = limit.cost(archs);
    const scores = await toy().score(archs);
    const expected = genomes
      .map((each, i) => ({ ...each, score: scores[i]!, cost: costs[i]! }))
      .filter(({ cost }) => cost <= limit.max);
    expect(expected.length).toBeGreaterThan(5);
    expect(expected.length).toBeLessThan(55);
    expect(first).toEqual(expected);
    expect(again).toEqual([]);
    expect(scorer.evaluations).toBe(expected.length);
    expect(objective.asked.scores.length).toBe(expected.length);
    genomes.forEach(({ key }, i) => {
      expect(scorer.scoreOf(key)).toBe(costs[i]! <= limit.max ? scores[i] : Number.NaN);
    });
  });
});

describe('what a climb proposes', () => {
  const optionsFor = (changes: Partial<SearchOptions>): SearchOptions => ({
    space,
    objective: toy(),
    constraints: [],
    describe: describeWith(space),
    evaluations: 5_000,
    seed: 1,
    resolutions: space.resolutions,
    frontAxis: 'maxMacs',
    ...changes,
  });
  const macs = limitOn(space, 'macs', 6_000_000);
  /** The highest cost of what is proposed around random centers by changes of blocks alone, and how many there are. */
  async function highest(options: SearchOptions, ceiling: number) {
    const run = startRun(options);
    await takeIn(run, draw(200));
    let [most, count] = [0, 0];
    for (const center of draw(60)) {
      const [guess] = await run.scorer.guesses([center]);
      for (const { genome, key } of propose(run, { center, ceiling, best: undefined, fruitless: 0 }, guess!)) {
        const isOfBlocks = genome.every((value, gene) => gene < genetics.slots || value === center.genome[gene]);
        if (key === center.key || !isOfBlocks) continue;
        most = Math.max(most, macs.cost([toArch(genetics, genome)])[0]!);
        count++;
      }
    }
    return { most, count, best: run.pool.best };
  }

  it('keeps the limit and the ceiling, whichever is lower', async () => {
    for (const ceiling of [Number.POSITIVE_INFINITY, 9_000_000, 5_000_000]) {
      const { most, count } = await highest(optionsFor({ constraints: [macs] }), ceiling);
      expect(count).toBeGreaterThan(30);
      expect(most).toBeLessThanOrEqual(Math.min(ceiling, macs.max));
      expect(most).toBeGreaterThan(0.8 * Math.min(ceiling, macs.max));
    }
  });

  it('keeps a ceiling along a cost that has no limit', async () => {
    const { most, count } = await highest(optionsFor({ frontAxis: 'macs' }), 5_000_000);
    expect(count).toBeGreaterThan(30);
    expect(most).toBeLessThanOrEqual(5_000_000);
  });

  it('is cheaper than the best so far where the fewest MACs are the goal', async () => {
    const { most, count, best } = await highest(optionsFor({ goal: 'macs', minScore: -9 }), Number.POSITIVE_INFINITY);
    expect(count).toBeGreaterThan(0);
    expect(most).toBeLessThan(best!.cost);
  });
});
