import { describe, expect, it } from 'vitest';
import { invariant } from '../../../src/common/invariant.js';
import { makeRng } from '../../../src/common/rng.js';
import {
  endOfActive,
  type Genetics,
  type Genome,
  makeGenetics,
  normalize,
  randomGenome,
  toArch,
} from '../../../src/search/genome.js';
import { type Encoder, makeEncoder } from '../../../src/search/guess.js';
import { makeSurrogate } from '../../../src/search/surrogate.js';
import { encodeArchs } from '../../../src/space/encoding.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { bundledSpace, MBV3_W10, PROXYLESS, RESNET50 } from '../space/published-spaces.js';
import { tinyResNet, tinySpace } from '../space/tiny-space.js';

/** A space, the resolutions that are searched, and the encoding's: longer, and in another order. */
interface Subject {
  readonly space: SearchSpace;
  readonly searched: readonly number[];
  readonly encoding: readonly number[];
}

const SUBJECTS: readonly (readonly [string, Subject])[] = [
  ['the published MobileNetV3', { space: MBV3_W10, searched: [192, 160], encoding: [224, 160, 128, 192, 176] }],
  ['the published ProxylessNAS', { space: PROXYLESS, searched: [128, 224], encoding: PROXYLESS.resolutions }],
  [
    'the published ResNet50, of elastic widths and stem',
    { space: RESNET50, searched: [256, 128, 192], encoding: [192, 144, 256, 128] },
  ],
  ['a tiny space', { space: tinySpace(), searched: [16], encoding: [16, 12] }],
  ['a tiny ResNet', { space: tinyResNet(), searched: [17, 32], encoding: [32, 17] }],
  [
    'the bundled space',
    { space: bundledSpace(), searched: bundledSpace().resolutions, encoding: bundledSpace().resolutions },
  ],
];

function encoderOf({ space, searched, encoding }: Subject): { readonly genetics: Genetics; readonly encoder: Encoder } {
  const genetics = makeGenetics(space, searched);
  const encoder = makeEncoder(genetics, encoding);
  invariant(encoder !== undefined, () => 'the encoding has every resolution');
  return { genetics, encoder };
}

/** Whole numbers of 1/1024: their sums are exact in float64, in whatever order, so that nothing has to be tolerated. */
function exactSlopes(features: number, seed: number): Float32Array {
  const rng = makeRng(seed);
  return Float32Array.from({ length: features }, () => (rng.int(4_001) - 2_000) / 1_024);
}

const rowOf = ({ space, encoding }: Subject, genetics: Genetics, genome: Genome): Float32Array =>
  encodeArchs(space, [toArch(genetics, genome)], undefined, encoding);

/** A row as the encoding is told to be: kernels of every slot, expand ratios of every slot, the stem's depth, the widths, the resolution. */
function rowByHand({ space, encoding }: Subject, arch: Arch): number[] {
  const oneHot = (list: readonly number[], value: number | undefined): number[] =>
    list.map((each) => (each === value ? 1 : 0));
  const isResNet = space.family === 'resnet-d';
  const isActive = space.stages.flatMap(({ depths }, stage) =>
    Array.from({ length: Math.max(...depths) }, (_, block) => block < arch.depths[stage + (isResNet ? 1 : 0)]!),
  );
  const perSlot = (list: readonly number[], chosen: readonly number[]): number[] =>
    isActive.flatMap((active, slot) => oneHot(list, active ? chosen[slot] : undefined));
  const widths = isResNet
    ? [space.stem.midWidths, space.stem.widths, ...space.stages.map((stage) => stage.widths)]
    : [];
  return [
    ...perSlot(space.kernelSizes, arch.kernelSizes),
    ...perSlot(space.expandRatios, arch.expandRatios),
    ...(isResNet ? oneHot(space.stem.depths, arch.depths[0]) : []),
    ...widths.flatMap((list, index) => list.map((_, at) => (at === arch.widthIndices?.[index] ? 1 : 0))),
    ...oneHot(encoding, arch.resolution),
  ];
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** Every choice of a genome's active slots: the slot, the choice, and whether a block follows in the stage. */
function activeSlots(genetics: Genetics, genome: Genome): { readonly slot: number; readonly hasNext: boolean }[] {
  return genetics.offsets.slice(0, -1).flatMap((first, stage) => {
    const end = endOfActive(genetics, genome, stage);
    return Array.from({ length: end - first }, (_, i) => ({ slot: first + i, hasNext: first + i + 1 < end }));
  });
}

describe.each(SUBJECTS)('an encoder of %s', (_, subject) => {
  it('writes the rows that the architectures have, whatever was written before', () => {
    const { genetics, encoder } = encoderOf(subject);
    const rng = makeRng(61);
    const seen = new Set<string>();
    let written: Float32Array = new Float32Array(0);
    for (const count of [3, 40, 1, 40, 0, 7, 200]) {
      const genomes = Array.from({ length: count }, () => randomGenome(genetics, rng));
      const archs = genomes.map((genome) => toArch(genetics, genome));
      const expected = encodeArchs(subject.space, archs, undefined, subject.encoding);
      expect(encoder.features * count).toBe(expected.length);
      const rows = encoder.rows(genomes);
      expect(rows).toEqual(expected);
      const over = encoder.rows(genomes, written); // of the same length, longer, or too short
      expect(over).toEqual(expected);
      written = new Float32Array(over.buffer).fill(7);
      expect(Array.from(rows)).toEqual(archs.flatMap((arch) => rowByHand(subject, arch)));
      for (let row = 0; row < count; row++) {
        seen.add(expected.subarray(row * encoder.features, (row + 1) * encoder.features).join(''));
      }
    }
    expect(seen.size).toBeGreaterThan(100);
  });

  it("guesses by a row's product with the slopes, and a choice's gain by the difference of two rows' products", () => {
    const { genetics, encoder } = encoderOf(subject);
    const rng = makeRng(62);
    const gains = new Float64Array(genetics.choices.count);
    let compared = 0;
    for (let round = 0; round < 30; round++) {
      const slopes = exactSlopes(encoder.features, 100 + round);
      const guess = encoder.guess(slopes);
      const genome = randomGenome(genetics, rng);
      const here = dot(rowOf(subject, genetics, genome), slopes);
      expect(guess.of(genome)).toBe(here);
      for (const { slot, hasNext } of activeSlots(genetics, genome)) {
        guess.gains(genome, slot, hasNext, gains);
        for (let choice = 0; choice < genetics.choices.count; choice++) {
          const changed = genome.slice();
          changed[slot] = choice;
          expect(gains[choice]).toBe(dot(rowOf(subject, genetics, changed), slopes) - here);
          if (choice !== genome[slot] && gains[choice] !== 0) compared++;
        }
      }
      for (const { gene, changed } of otherChanges(genetics, genome)) {
        const gain = guess.worth(gene, changed[gene]!) - guess.worth(gene, genome[gene]!);
        expect(gain).toBe(dot(rowOf(subject, genetics, changed), slopes) - here);
      }
      for (const { gene, changed } of otherDepths(genetics, genome)) {
        const gain = guess.depthWorth(genome, gene, changed[gene]!) - guess.depthWorth(genome, gene, genome[gene]!);
        expect(gain).toBe(dot(rowOf(subject, genetics, changed), slopes) - here);
      }
    }
    expect(compared).toBeGreaterThan(50);
  });

  it('keeps the guesses of several rows apart, each by its own slopes', () => {
    const { genetics, encoder } = encoderOf(subject);
    const genome = randomGenome(genetics, makeRng(63));
    const row = rowOf(subject, genetics, genome);
    const both = new Float32Array([...exactSlopes(encoder.features, 1), ...exactSlopes(encoder.features, 2)]);
    const guesses = [0, 1].map((index) =>
      encoder.guess(both.subarray(index * encoder.features, (index + 1) * encoder.features)),
    );
    const expected = [1, 2].map((seed) => dot(row, exactSlopes(encoder.features, seed)));
    expect(guesses.map((guess) => guess.of(genome))).toEqual(expected);
    expect(expected[0]).not.toBe(expected[1]);
  });

  it('is not made where the encoding lacks a resolution that is searched', () => {
    const { space, searched, encoding } = subject;
    const genetics = makeGenetics(space, searched);
    for (const missing of searched) {
      expect(
        makeEncoder(
          genetics,
          encoding.filter((each) => each !== missing),
        ),
      ).toBeUndefined();
    }
    expect(makeEncoder(genetics, [])).toBeUndefined();
    expect(makeEncoder(genetics, [...encoding, 999])).toBeDefined();
  });
});

/** A genome with each other depth; blocks that come are of the smallest choice. */
function otherDepths(genetics: Genetics, genome: Genome) {
  const { slots, depths, values } = genetics;
  return [...depths.keys()].flatMap((index) => {
    const gene = slots + index;
    const others = Array.from({ length: values[gene]! }, (_, value) => value).filter((value) => value !== genome[gene]);
    return others.map((value) => ({ gene, changed: normalize(genetics, genome.with(gene, value)) }));
  });
}

/** A genome with each other value of each gene after those of blocks and depths. */
function otherChanges({ slots, depths, length, values }: Genetics, genome: Genome) {
  return Array.from({ length: length - slots - depths.length }, (_, index) => slots + depths.length + index).flatMap(
    (gene) => Array.from({ length: values[gene]! }, (_, value) => ({ gene, changed: genome.with(gene, value) })),
  );
}

describe('a surrogate', () => {
  it('says of a choice what it says of the changed genome, blocks before and behind included', () => {
    for (const space of [tinySpace(), MBV3_W10]) {
      const genetics = makeGenetics(space, space.resolutions);
      const surrogate = makeSurrogate(genetics);
      const rng = makeRng(64);
      for (let i = 0; i < 400; i++) surrogate.learn(randomGenome(genetics, rng), rng.normal());
      const gains = new Float64Array(genetics.choices.count);
      let largest = 0;
      for (let round = 0; round < 20; round++) {
        const genome = randomGenome(genetics, rng);
        const here = surrogate.of(genome);
        for (const { slot, hasNext } of activeSlots(genetics, genome)) {
          surrogate.gains(genome, slot, hasNext, gains);
          for (let choice = 0; choice < genetics.choices.count; choice++) {
            const changed = genome.slice();
            changed[slot] = choice;
            expect(gains[choice]).toBeCloseTo(surrogate.of(changed) - here, 10); // sums of some 50 weights of about 1
            largest = Math.max(largest, Math.abs(gains[choice]!));
          }
        }
        for (const { gene, changed } of otherChanges(genetics, genome)) {
          const gain = surrogate.worth(gene, changed[gene]!) - surrogate.worth(gene, genome[gene]!);
          expect(gain).toBeCloseTo(surrogate.of(changed) - here, 10);
        }
        for (const { gene, changed } of otherDepths(genetics, genome)) {
          const [there, now] = [changed, genome].map((each) => surrogate.depthWorth(genome, gene, each[gene]!));
          expect(there! - now!).toBeCloseTo(surrogate.of(changed) - here, 10);
        }
      }
      expect(largest).toBeGreaterThan(0.01);
    }
  });
});
