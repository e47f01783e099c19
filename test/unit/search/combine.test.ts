import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { type Changes, makeLookAround, NO_GENE } from '../../../src/search/changes.js';
import { makeCombine } from '../../../src/search/combine.js';
import { type Genetics, type Genome, genomeKey, normalize, randomGenome, toArch } from '../../../src/search/genome.js';
import type { Constraint } from '../../../src/search/types.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { bundledSpace, MBV3_W10 } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';
import { exactGuess, geneticsOf, limitsOf, wholeCost } from './exact-changes.js';
import { limitOn } from './toy-objective.js';

/** What a combination is by brute force: its genome and what its changes sum to. */
interface Combination {
  readonly genome: Genome;
  readonly gain: number;
  readonly genes: readonly number[];
}

/** The sets of one, two and three places of a list. Of three, the first two are below `width`. */
function* places(count: number, most: number, width: number): Generator<number[]> {
  for (let a = 0; a < count; a++) {
    yield [a];
    for (let b = a + 1; b < count && most > 1; b++) {
      yield [a, b];
      for (let c = b + 1; c < count && most > 2 && b < width; c++) yield [a, b, c];
    }
  }
}

/**
 * Every combination of changes of different genes that keeps the limits, by sums, and gains where the center keeps them; of those that are
 * the same network the one of the highest sum, by descending sum.
 */
function bruteForce(genetics: Genetics, changes: Changes, most: number, width: number): Map<number, Combination> {
  const { center, count, genes, values, gains, added, slack } = changes;
  const real = Array.from({ length: count }, (_, at) => at).filter((at) => genes[at] !== NO_GENE);
  const keeps = slack.every((left) => left >= 0);
  const found = new Map<number, Combination>();
  for (const chosen of places(real.length, most, width)) {
    const all = chosen.map((place) => real[place]!);
    const sum = (row: Float64Array): number => all.reduce((total, at) => total + row[at]!, 0);
    const gain = sum(gains);
    if (new Set(all.map((at) => genes[at])).size < all.length || (keeps && !(gain > 0))) continue;
    if (!added.every((row, limit) => sum(row) <= slack[limit]!)) continue;
    const genome = center.slice();
    for (const at of all) genome[genes[at]!] = values[at]!;
    const key = genomeKey(genetics, normalize(genetics, genome));
    if (gain > (found.get(key)?.gain ?? Number.NEGATIVE_INFINITY)) {
      found.set(key, { genome, gain, genes: all.map((at) => genes[at]!) });
    }
  }
  return new Map([...found].sort(([, a], [, b]) => b.gain - a.gain));
}

const TINY = tinySpace();
const whole = (space: SearchSpace, max: number, seed = 1): Constraint => ({
  id: `whole${seed}`,
  max,
  cost: wholeCost(space, seed),
});

interface Look {
  readonly space: SearchSpace;
  readonly constraints: readonly Constraint[];
}

/** The changes around random centers, each with its own guess. */
function* around({ space, constraints }: Look, seed: number, rounds: number): Generator<readonly [Genetics, Changes]> {
  const genetics = geneticsOf(space);
  const lookAround = makeLookAround(genetics, constraints.length);
  const limits = limitsOf(genetics, constraints);
  const rng = makeRng(seed);
  for (let round = 0; round < rounds; round++) {
    const guess = exactGuess(genetics, seed + round, 8);
    yield [genetics, lookAround(randomGenome(genetics, rng), guess, limits)];
  }
}

const sumsOf = (genetics: Genetics, made: readonly Genome[], all: ReadonlyMap<number, Combination>): number[] =>
  made.map((genome) => all.get(genomeKey(genetics, genome))?.gain ?? Number.NaN);
const nothing = (): boolean => false;

/** What is combined, once; the keys that come with it are right. */
function combine(
  genetics: Genetics,
  changes: Changes,
  asked: { readonly count: number; readonly width: number },
  isKnown: (key: number) => boolean,
): Genome[] {
  const made = makeCombine(genetics, asked)(changes, { isScored: isKnown });
  expect(made.map(({ key }) => key)).toEqual(made.map(({ genome }) => genomeKey(genetics, genome)));
  return made.map(({ genome }) => genome);
}

/** More than there are combinations in a tiny space, so that none is cut. */
const ALL = 5_000;
const LOOKS: readonly (readonly [string, Look])[] = [
  ['no limit', { space: TINY, constraints: [] }],
  ['one limit that adds up', { space: TINY, constraints: [whole(TINY, 29)] }],
  ['two limits that add up', { space: TINY, constraints: [whole(TINY, 29), whole(TINY, 30, 2)] }],
  [
    'three limits that add up',
    { space: TINY, constraints: [whole(TINY, 30), whole(TINY, 30, 2), limitOn(TINY, 'macs', 40_000)] },
  ],
  [
    'limits of which one does not add up',
    { space: TINY, constraints: [limitOn(TINY, 'peakMemoryBytes', 7_000), whole(TINY, 29)] },
  ],
];

describe.each(LOOKS)('combinations of changes under %s', (_, look) => {
  it.each([
    ['pairs', 0, 2],
    ['threes', 24, 3],
  ] as const)('up to %s are those of brute force, best first', (__, width, most) => {
    let offered = 0;
    for (const [genetics, changes] of around(look, 50, 30)) {
      expect(changes.count).toBeLessThanOrEqual(24); // the third change may be any: nothing is cut
      const expected = bruteForce(genetics, changes, most, changes.count);
      const made = combine(genetics, changes, { count: ALL, width }, nothing);
      expect(sumsOf(genetics, made, expected)).toEqual([...expected.values()].map(({ gain }) => gain));
      expect(new Set(made.map((genome) => genomeKey(genetics, genome))).size).toBe(made.length);
      for (const genome of made) expect(normalize(genetics, genome.slice())).toEqual(genome);
      offered += made.length;
    }
    expect(offered).toBeGreaterThan(20);
  });

  it.each([0, 24])('that are cut at twelve are the best, without a gap (threes among the first %i)', (width) => {
    let [made, possible] = [0, 0];
    for (const [genetics, changes] of around(look, 90, 40)) {
      const expected = bruteForce(genetics, changes, width > 0 ? 3 : 2, changes.count);
      const first = combine(genetics, changes, { count: 12, width }, nothing);
      const best = [...expected.values()].slice(0, 12).map(({ gain }) => gain);
      expect(sumsOf(genetics, first, expected)).toEqual(best.slice(0, first.length));
      made += first.length;
      possible += best.length;
    }
    // What turns out to be the same network, as where a change is of a block that another one takes away, may leave some places empty.
    expect(made).toBeGreaterThan(0.8 * possible);
  });

  it('pass over what is known', () => {
    for (const [genetics, changes] of around(look, 130, 20)) {
      const expected = bruteForce(genetics, changes, 3, changes.count);
      const isKnown = (key: number): boolean => key % 3 === 0;
      const made = combine(genetics, changes, { count: ALL, width: 24 }, isKnown);
      const left = [...expected].filter(([key]) => !isKnown(key)).map(([, { gain }]) => gain);
      expect(sumsOf(genetics, made, expected)).toEqual(left);
      expect(made.some((genome) => isKnown(genomeKey(genetics, genome)))).toBe(false);
      expect(combine(genetics, changes, { count: ALL, width: 24 }, () => true)).toEqual([]);
    }
  });
});

describe('combinations around centers of the published space', () => {
  it('of three changes have two among the 16 of the highest gain', () => {
    const look = { space: MBV3_W10, constraints: [whole(MBV3_W10, 55)] };
    let longest = 0;
    for (const [genetics, changes] of around(look, 170, 6)) {
      const { count, genes } = changes;
      const nothingAt = genes.subarray(0, count).indexOf(NO_GENE);
      const width = nothingAt < 16 ? 15 : 16; // to change nothing may be one of the 16
      const most = bruteForce(genetics, changes, 3, count);
      const least = bruteForce(genetics, changes, 3, width);
      const made = combine(genetics, changes, { count: 200, width: 16 }, nothing);
      const sums = sumsOf(genetics, made, most);
      expect(sums).not.toContain(Number.NaN);
      const firsts = [...least.values()].slice(0, 100).map(({ gain }) => gain);
      expect(sums.slice(0, 100)).toEqual(firsts);
      longest = Math.max(longest, count);
    }
    expect(longest).toBeGreaterThan(30); // some threes are left out
  });
});

describe('limits that add up', () => {
  /** The costs of what is made, counted anew; without combinations in which a resolution or depth changes what another change adds. */
  function costsOf(look: Look, seed: number): { readonly kept: readonly number[]; readonly broken: readonly number[] } {
    const [constraint] = look.constraints;
    const found = { kept: [] as number[], broken: [] as number[] };
    for (const [genetics, changes] of around(look, seed, 40)) {
      const { slots } = genetics;
      const made = combine(genetics, changes, { count: 300, width: 24 }, nothing);
      const isOfBlocks = (genome: Genome): boolean =>
        genome.every((value, gene) => gene < slots || value === changes.center[gene]);
      const archs = made.filter(isOfBlocks).map((genome) => toArch(genetics, genome));
      (changes.slack[0]! < 0 ? found.broken : found.kept).push(...constraint!.cost(archs));
    }
    return found;
  }

  it('are kept by the changed networks, around centers that keep them and that break them', () => {
    for (const [space, max] of [
      [TINY, 29],
      [MBV3_W10, 55],
    ] as const) {
      const { kept, broken } = costsOf({ space, constraints: [whole(space, max)] }, 210);
      for (const costs of [kept, broken]) {
        expect(costs.length).toBeGreaterThan(20);
        expect(Math.max(...costs)).toBeLessThanOrEqual(max);
      }
    }
  });

  it('hold for peak memory too, told block by block, around centers that keep it', () => {
    const space = bundledSpace();
    const peak = limitOn(space, 'peakMemoryBytes', 110_592);
    let count = 0;
    for (const [genetics, changes] of around({ space, constraints: [peak] }, 230, 60)) {
      const peakOf = (genome: Genome): number => peak.cost([toArch(genetics, genome)])[0]!;
      if (peakOf(changes.center) > peak.max) continue;
      const made = combine(genetics, changes, { count: 12, width: 24 }, nothing);
      const ofBlocks = made.filter((genome) =>
        genome.every((value, gene) => gene < genetics.slots || value === changes.center[gene]),
      );
      expect(ofBlocks.filter((genome) => peakOf(genome) > peak.max)).toEqual([]);
      count += ofBlocks.length;
    }
    expect(count).toBeGreaterThan(30);
  });

  it('are kept by no change whose cost is not known or without bound', () => {
    let offered = 0;
    for (const [genetics, changes] of around({ space: TINY, constraints: [whole(TINY, 29)] }, 240, 30)) {
      const [row] = changes.added;
      for (let at = 0; at < changes.count; at += 3) {
        if (changes.genes[at] !== NO_GENE) row![at] = at % 2 === 0 ? Number.NaN : Number.POSITIVE_INFINITY;
      }
      const expected = bruteForce(genetics, changes, 3, changes.count);
      const made = combine(genetics, changes, { count: ALL, width: 24 }, nothing);
      expect(sumsOf(genetics, made, expected)).toEqual([...expected.values()].map(({ gain }) => gain));
      offered += made.length;
    }
    expect(offered).toBeGreaterThan(20);
  });

  it('that no combination mends give nothing', () => {
    for (const [genetics, changes] of around({ space: MBV3_W10, constraints: [whole(MBV3_W10, 5)] }, 250, 5)) {
      expect(combine(genetics, changes, { count: 12, width: 24 }, nothing)).toEqual([]);
    }
  });
});
