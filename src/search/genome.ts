import { invariant } from '../common/invariant.js';
import type { Rng } from '../common/rng.js';
import { type BlockChoices, blockChoices } from '../space/choices.js';
import { depthLists, stageOffsets, stemDepths, widthLists } from '../space/slots.js';
import type { Arch, SearchSpace } from '../space/types.js';

/**
 * An architecture as small integers: per block slot its choice, per entry of its depths the index of that depth, its width indices, last
 * the index of its resolution.
 * Inactive slots hold 0, so that equal networks have equal genes.
 */
export type Genome = Uint8Array;

/** What genomes of a space look like, and the way to and from architectures. */
export interface Genetics {
  readonly space: SearchSpace;
  readonly resolutions: readonly number[];
  readonly choices: BlockChoices;
  readonly slots: number;
  /** The choices of each depth gene: an elastic stem's first, then one per stage. */
  readonly depths: readonly (readonly number[])[];
  /** Number of depth genes that stand before those of the stages. */
  readonly stemDepths: number;
  /** Number of width genes. */
  readonly widths: number;
  /** Number of genes: slots, depths, widths, and one for the resolution. */
  readonly length: number;
  /** Number of values of each gene. */
  readonly values: readonly number[];
  /** Whether all genes fit into one number, so that {@link genomeKey} is exact. */
  readonly keysAreExact: boolean;
  /** For each stage its first slot; at the end the number of slots. */
  readonly offsets: readonly number[];
}

/** The genetics of a space at some of its resolutions; value 0 of every gene is the smallest choice. */
export function makeGenetics(space: SearchSpace, among: readonly number[]): Genetics {
  const resolutions = [...new Set(among)].sort((a, b) => a - b);
  invariant(resolutions.length > 0, () => 'a search needs at least one resolution');
  const choices = blockChoices(space);
  const offsets = stageOffsets(space);
  const slots = offsets[offsets.length - 1]!;
  const depths = depthLists(space);
  const widths = widthLists(space);
  const values = [
    ...new Array<number>(slots).fill(choices.count),
    ...depths.map((list) => list.length),
    ...widths.map((list) => list.length),
    resolutions.length,
  ];
  const keysAreExact = values.reduce((product, count) => product * count, 1) <= Number.MAX_SAFE_INTEGER;
  return {
    space,
    resolutions,
    choices,
    slots,
    depths,
    stemDepths: stemDepths(space),
    widths: widths.length,
    length: values.length,
    values,
    keysAreExact,
    offsets,
  };
}

/** The first inactive slot of a stage, or the next stage's first one. */
export function endOfActive(
  { depths, slots, stemDepths: before, offsets }: Genetics,
  genome: Genome,
  stage: number,
): number {
  const gene = before + stage;
  return offsets[stage]! + depths[gene]![genome[slots + gene]!]!;
}

/** Sets the genes of inactive slots to 0, in place, and returns the genome. */
export function normalize(genetics: Genetics, genome: Genome): Genome {
  const { offsets } = genetics;
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = offsets[stage + 1]!;
    for (let slot = endOfActive(genetics, genome, stage); slot < end; slot++) genome[slot] = 0;
  }
  return genome;
}

/** The architecture of a normalized genome, in canonical form. */
export function toArch(genetics: Genetics, genome: Genome): Arch {
  const { choices, slots, space, resolutions } = genetics;
  const kernelSizes = new Array<number>(slots);
  const expandRatios = new Array<number>(slots);
  for (let slot = 0; slot < slots; slot++) {
    const choice = choices.of[genome[slot]!]!; // choice 0 is the smallest of both, as canonical inactive slots are
    kernelSizes[slot] = choice.kernel;
    expandRatios[slot] = choice.expandRatio;
  }
  const count = genetics.depths.length;
  const depths = new Array<number>(count);
  for (let index = 0; index < count; index++) depths[index] = genetics.depths[index]![genome[slots + index]!]!;
  const resolution = resolutions[genome[genetics.length - 1]!]!;
  if (genetics.widths === 0) return { spaceId: space.id, kernelSizes, expandRatios, depths, resolution };
  const widthIndices = Array.from(genome.subarray(slots + count, slots + count + genetics.widths));
  return { spaceId: space.id, kernelSizes, expandRatios, depths, widthIndices, resolution };
}

/** The architectures of normalized genomes. */
export function toArchs(genetics: Genetics, genomes: readonly Genome[]): Arch[] {
  const archs: Arch[] = [];
  for (const genome of genomes) archs.push(toArch(genetics, genome));
  return archs;
}

/** The normalized genome of an architecture; undefined if it has a choice or resolution that these genetics lack. */
export function fromArch(genetics: Genetics, arch: Arch): Genome | undefined {
  const { space, slots, depths, choices, resolutions } = genetics;
  if (arch.spaceId !== space.id || arch.kernelSizes.length !== slots || arch.expandRatios.length !== slots) {
    return undefined;
  }
  const genes: number[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const [kernel, expandRatio] = [arch.kernelSizes[slot], arch.expandRatios[slot]];
    genes.push(choices.of.findIndex((choice) => choice.kernel === kernel && choice.expandRatio === expandRatio));
  }
  depths.forEach((list, index) => {
    genes.push(list.indexOf(arch.depths[index] ?? -1));
  });
  for (let index = 0; index < genetics.widths; index++) genes.push(arch.widthIndices?.[index] ?? -1);
  genes.push(resolutions.indexOf(arch.resolution));
  const isKnown = genes.every((gene, index) => gene >= 0 && gene < genetics.values[index]!);
  return isKnown && genes.length === genetics.length ? normalize(genetics, Uint8Array.from(genes)) : undefined;
}

/**
 * A number that names a normalized genome.
 * In small spaces the genes are its digits, so it is exact. In larger ones it is a 53-bit hash: that two of a million genomes
 * share one has a chance of 1 in 18,000, and would only leave one architecture unscored.
 */
export function genomeKey(genetics: Genetics, genome: Genome): number {
  if (genetics.keysAreExact) {
    let key = 0;
    for (let gene = 0; gene < genome.length; gene++) key = key * genetics.values[gene]! + genome[gene]!;
    return key;
  }
  // Two multiplicative hashes of 32 and 21 bits; the multipliers are those of MurmurHash3's finalizer and of FNV.
  let high = 0;
  let low = 0;
  for (let gene = 0; gene < genome.length; gene++) {
    high = Math.imul(high ^ genome[gene]!, 0x85ebca6b);
    high ^= high >>> 13;
    low = Math.imul(low ^ (genome[gene]! + 1), 0x01000193);
    low ^= low >>> 15;
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}

/** A normalized genome with its key, so that it is computed once, and what becomes known of it. Mutable: the scorer writes what it was scored with. */
export class Keyed {
  readonly genome: Genome;
  readonly key: number;
  /** NaN until it is known that it was scored. */
  score = Number.NaN;
  /** Its cost along the front's axis; NaN until this very object was scored. */
  cost = Number.NaN;

  constructor(genome: Genome, key: number) {
    this.genome = genome;
    this.key = key;
  }
}

/** A normalized genome with its key. */
export const keyed = (genetics: Genetics, genome: Genome): Keyed => new Keyed(genome, genomeKey(genetics, genome));

/** A random genome, every gene uniform. */
export function randomGenome(genetics: Genetics, rng: Rng): Genome {
  const genome = new Uint8Array(genetics.length);
  for (let gene = 0; gene < genome.length; gene++) genome[gene] = rng.int(genetics.values[gene]!);
  return normalize(genetics, genome);
}

/** A copy in which each gene is drawn anew with the given chance, at least one surely. */
export function mutateGenome(genetics: Genetics, genome: Genome, chance: number, rng: Rng): Genome {
  const child = genome.slice();
  const sure = rng.int(child.length);
  for (let gene = 0; gene < child.length; gene++) {
    if (gene === sure || rng.chance(chance)) child[gene] = rng.int(genetics.values[gene]!);
  }
  return normalize(genetics, child);
}

/** A new genome whose genes each come from either parent. */
export function crossGenomes(genetics: Genetics, a: Genome, b: Genome, rng: Rng): Genome {
  const child = a.slice();
  for (let gene = 0; gene < child.length; gene++) if (rng.chance(0.5)) child[gene] = b[gene]!;
  return normalize(genetics, child);
}

/**
 * Every distinct genome, each once; only for spaces small enough to be listed.
 * Counts through the active genes like an odometer, per resolution, widths and depths.
 */
export function* everyGenome(genetics: Genetics): Generator<Genome> {
  const { slots, length } = genetics;
  const outer = new Uint8Array(length);
  const outerGenes = Array.from({ length: length - slots }, (_, index) => slots + index);
  do {
    const genome = outer.slice();
    const active = activeGenes(genetics, genome);
    do yield genome.slice();
    while (advance(genetics, genome, active));
  } while (advance(genetics, outer, outerGenes));
}

/** The slots of a genome's active blocks. */
function activeGenes(genetics: Genetics, genome: Genome): number[] {
  const { offsets } = genetics;
  const active: number[] = [];
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = endOfActive(genetics, genome, stage);
    for (let slot = offsets[stage]!; slot < end; slot++) active.push(slot);
  }
  return active;
}

/** Counts one up over the given genes, in place; false when it has come round to all zeros. */
function advance(genetics: Genetics, genome: Genome, genes: readonly number[]): boolean {
  for (const gene of genes) {
    genome[gene] = genome[gene]! + 1;
    if (genome[gene]! < genetics.values[gene]!) return true;
    genome[gene] = 0;
  }
  return false;
}
