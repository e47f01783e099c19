import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { type Changes, makeLookAround, NO_GENE } from '../../../src/search/changes.js';
import { type Genetics, type Genome, normalize, randomGenome, toArch } from '../../../src/search/genome.js';
import type { Guess } from '../../../src/search/guess.js';
import { neighbors } from '../../../src/search/neighbors.js';
import type { Constraint } from '../../../src/search/types.js';
import { sampleArch } from '../../../src/space/sample.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { MBV3_W10 } from '../space/published-spaces.js';
import { tinyResNet, tinySpace } from '../space/tiny-space.js';
import { exactGuess, geneticsOf, limitsOf, wholeCost } from './exact-changes.js';
import { limitOn } from './toy-objective.js';

/** A change with what it brings, compared as a whole. */
interface Change {
  readonly gene: number;
  readonly value: number;
  readonly gain: number;
  readonly added: readonly number[];
}

/** The gene that a neighbor differs in: a depth where one differs, as blocks come and go with it. */
function changeOf({ slots, length }: Genetics, center: Genome, genome: Genome, isNone: boolean) {
  if (isNone) return { gene: NO_GENE, value: 0 };
  const genes = [...Array.from({ length: length - slots }, (_, i) => slots + i), ...Array(slots).keys()];
  const gene = genes.find((each) => genome[each] !== center[each])!;
  return { gene, value: genome[gene]! };
}

/** Every single change by brute force: the whole genome is asked about each time. The first is to change nothing. */
function everyChange(genetics: Genetics, center: Genome, guess: Guess, constraints: readonly Constraint[]): Change[] {
  const costs = (genome: Genome): number[] => constraints.map(({ cost }) => cost([toArch(genetics, genome)])[0]!);
  const here = costs(center);
  return neighbors(genetics, center).map((genome, i) => ({
    ...changeOf(genetics, center, genome, i === 0),
    gain: guess.of(genome) - guess.of(center),
    added: costs(genome).map((cost, limit) => cost - here[limit]!),
  }));
}

/**
 * What is left of the changes of blocks where another choice that beats one in everything goes before it: the choices of each block that
 * nothing beats, of those that are equal the present one or else the first. The present one itself is no change.
 */
function withoutBeaten({ slots, values }: Genetics, center: Genome, all: readonly Change[]): Change[] {
  const kept = all.filter(({ gene }) => gene === NO_GENE || gene >= slots);
  for (let slot = 0; slot < slots; slot++) {
    const changes = all.filter(({ gene }) => gene === slot);
    if (changes.length === 0) continue; // inactive
    const present: Change = { gene: slot, value: center[slot]!, gain: 0, added: all[0]!.added.map(() => 0) };
    const choices = [...changes, present].sort((a, b) => a.value - b.value);
    expect(choices.length).toBeLessThanOrEqual(values[slot]!);
    const numbers = ({ gain, added }: Change): number[] => [gain, ...added.map((each) => -each)]; // more is better in each
    const groups = new Map<string, Change[]>();
    for (const choice of choices) {
      const key = numbers(choice).join();
      groups.set(key, [...(groups.get(key) ?? []), choice]);
    }
    const firsts = [...groups.values()].map((group) => (group.includes(present) ? present : group[0]!));
    const isBeaten = (choice: Change): boolean =>
      firsts.some((other) => other !== choice && numbers(other).every((each, i) => each >= numbers(choice)[i]!));
    kept.push(...firsts.filter((choice) => choice !== present && !isBeaten(choice)));
  }
  return kept;
}

/** The changes that with two others could gain anything, which is all that is of use around a center that keeps the limits; and to change nothing. */
function withoutHopeless(changes: readonly Change[], { slack }: Changes): readonly Change[] {
  if (slack.some((left) => left < 0)) return changes;
  const gains = changes.map(({ gain }) => Math.max(0, gain)).sort((a, b) => b - a);
  return changes.filter(({ gene, gain }) => gene === NO_GENE || gain + gains[0]! + (gains[1] ?? 0) > 0);
}

const listed = ({ count, genes, values, gains, added }: Changes): Change[] =>
  Array.from({ length: count }, (_, at) => ({
    gene: genes[at]!,
    value: values[at]!,
    gain: gains[at]!,
    added: added.map((row) => row[at]!),
  }));

/** By gene and value, for lists that are compared whatever their order; -0 is 0. */
const inOrder = (changes: readonly Change[]): Change[] =>
  changes
    .map(({ gene, value, gain, added }) => ({ gene, value, gain: gain + 0, added: added.map((each) => each + 0) }))
    .sort((a, b) => a.gene - b.gene || a.value - b.value);

/** By descending gain; of equal ones by gene, to change nothing first, and by value. */
const byGain = (changes: readonly Change[]): Change[] =>
  changes.toSorted((a, b) => b.gain - a.gain || a.gene - b.gene || a.value - b.value);

interface Look {
  readonly space: SearchSpace;
  readonly constraints: readonly Constraint[];
  /** Whether all limits but those told block by block add up. */
  readonly isAdditive: boolean;
  /** Constraints that hold for a network just if they hold for each of its blocks. */
  readonly byBlock?: readonly Constraint[];
}

/** Looks around random centers and compares with brute force. @returns how many changes there were, how many no other beat, and how many of those could gain nothing */
function compare(
  { space, constraints, isAdditive, byBlock = [] }: Look,
  seed: number,
): { readonly all: number; readonly kept: number; readonly hopeless: number } {
  const genetics = geneticsOf(space);
  const limits = limitsOf(genetics, [...byBlock, ...constraints]);
  const lookAround = makeLookAround(genetics, 4);
  const meets = (genome: Genome): boolean =>
    byBlock.every(({ cost, max }) => cost([toArch(genetics, genome)])[0]! <= max);
  const rng = makeRng(seed);
  let [all, kept, hopeless] = [0, 0, 0];
  for (let round = 0; round < 25; round++) {
    const guess = exactGuess(genetics, seed + round);
    let center = randomGenome(genetics, rng);
    for (let tries = 0; tries < 100 && !meets(center); tries++) center = randomGenome(genetics, rng);
    const before = center.slice();
    const changes = lookAround(center, guess, limits);
    const found = listed(changes);
    const everything = everyChange(genetics, center, guess, constraints);
    const possible = everything.filter(({ gene, value }) => {
      const changed = center.slice();
      if (gene !== NO_GENE) changed[gene] = value;
      return meets(normalize(genetics, changed));
    });
    const unbeaten = isAdditive ? withoutBeaten(genetics, center, possible) : possible;
    const expected = withoutHopeless(unbeaten, changes);
    expect(inOrder(found)).toEqual(inOrder(expected));
    expect(found).toEqual(byGain(found));
    expect(center).toEqual(before);
    expect(changes.center).toBe(center);
    expect(Array.from(changes.slack)).toEqual(
      constraints.map(({ max, cost }) => max - cost([toArch(genetics, center)])[0]!),
    );
    all += everything.length;
    kept += unbeaten.length;
    hopeless += unbeaten.length - found.length;
  }
  return { all, kept, hopeless };
}

/** Whole-number limits: exact, and often equal. */
const whole = (space: SearchSpace, seed: number): Constraint => ({
  id: `whole${seed}`,
  max: 33,
  cost: wholeCost(space, seed),
});

/** A cost in which neighboring blocks matter to each other, so that it neither adds up nor holds block by block; the limit keeps half of the networks. */
function coupled(space: SearchSpace, seed: number): Constraint {
  const whole = wholeCost(space, seed);
  const both = ({ kernelSizes }: Arch): number =>
    kernelSizes.reduce((sum, kernel, slot) => sum + (slot > 0 ? kernel * kernelSizes[slot - 1]! : 0), 0);
  const cost = (archs: readonly Arch[]): Float64Array => whole(archs).map((each, i) => each + both(archs[i]!));
  const rng = makeRng(seed);
  const drawn = cost(Array.from({ length: 99 }, () => sampleArch(space, rng)));
  return { id: `coupled${seed}`, max: drawn.sort()[49]!, cost };
}

describe('looking around a center', () => {
  it.each([
    ['a tiny space', tinySpace()],
    ['the published space', MBV3_W10],
  ])('lists the single changes of %s, but what another choice of the block beats where costs add up', (_, space) => {
    const counted = [limitOn(space, 'macs', 30_000), limitOn(space, 'params', 6_000)];
    for (const constraints of [
      [],
      [whole(space, 1)],
      [whole(space, 1), whole(space, 2)],
      [whole(space, 1), whole(space, 2), whole(space, 3)],
      counted.slice(0, 1),
      counted,
    ]) {
      const { all, kept } = compare({ space, constraints, isAdditive: true }, 700);
      expect(kept).toBeLessThan(all); // something is left out, so that leaving out too much or too little shows
      expect(kept).toBeGreaterThan(25 * 5);
    }
  });

  it('lists every single change where a cost does not add up', () => {
    const [tiny, resNet] = [tinySpace(), tinyResNet()];
    for (const look of [
      { space: tiny, constraints: [coupled(tiny, 4)], isAdditive: false },
      { space: tiny, constraints: [whole(tiny, 4), coupled(tiny, 5)], isAdditive: false },
      { space: MBV3_W10, constraints: [coupled(MBV3_W10, 6)], isAdditive: false },
      { space: resNet, constraints: [limitOn(resNet, 'macs', 1e6)], isAdditive: false }, // elastic widths couple blocks
      { space: resNet, constraints: [limitOn(resNet, 'peakMemoryBytes', 1e6)], isAdditive: false },
    ]) {
      const { all, kept } = compare(look, 800);
      expect(kept).toBe(all);
    }
  });

  it.each([
    ['a tiny space', tinySpace(), [4_700, 6_100, 8_000]],
    ['the published space', MBV3_W10, [3.5e6, 5e6]],
  ])('lists of %s what keeps a limit on peak memory, told block by block', (_, space, bytes) => {
    for (const max of bytes) {
      const byBlock = [limitOn(space, 'peakMemoryBytes', max)];
      const cut = compare({ space, constraints: [], isAdditive: true, byBlock }, 810);
      const free = compare({ space, constraints: [], isAdditive: true }, 810);
      expect(cut.kept, `${max} bytes`).toBeLessThan(free.kept); // it binds
      compare({ space, constraints: [whole(space, 1), limitOn(space, 'macs', 1e5)], isAdditive: true, byBlock }, 820);
      compare({ space, constraints: [coupled(space, 2)], isAdditive: false, byBlock }, 830);
    }
  });

  it('lists what gains at all in each block where there is no limit, widths and the stem with everything', () => {
    const { kept, hopeless } = compare({ space: tinyResNet(), constraints: [], isAdditive: true }, 900);
    expect(hopeless).toBeGreaterThan(0);
    expect(hopeless).toBeLessThan(kept / 2);
  });

  it('keeps nothing of one center for the next, however many limits there are', () => {
    const space = tinySpace();
    const genetics = geneticsOf(space);
    const guess = exactGuess(genetics, 5);
    const all = [whole(space, 1), coupled(space, 4), whole(space, 2)];
    const lookAround = makeLookAround(genetics, 3);
    const rng = makeRng(6);
    for (let round = 0; round < 40; round++) {
      const limits = limitsOf(genetics, all.slice(0, round % 4));
      const center = randomGenome(genetics, rng);
      const found = listed(lookAround(center, guess, limits));
      expect(found).toEqual(listed(makeLookAround(genetics, 3)(center, guess, limits)));
    }
    expect(() => lookAround(randomGenome(genetics, rng), guess, limitsOf(genetics, [...all, whole(space, 3)]))).toThrow(
      /4 limits where 3 were announced/,
    );
  });
});
