import type { Arch } from '../space/types.js';
import { type Genetics, type Genome, normalize, toArch } from './genome.js';
import type { Constraint } from './types.js';

/**
 * A cost of one resolution taken apart, where it is a sum over blocks: what the deepest network of smallest choices costs, and what each
 * choice of a slot and each depth of a stage changes of it. Blocks' shapes depend on their place alone, so the parts add up exactly.
 */
export interface AdditiveCost {
  readonly base: number;
  /** Per slot, per choice; choice 0 changes nothing. */
  readonly choices: readonly Float64Array[];
  /** Per stage, per depth gene's value; the largest changes nothing. */
  readonly depths: readonly Float64Array[];
}

/** The genome of largest depths and smallest choices at a resolution. */
export function deepest({ slots, values, length, depths }: Genetics, resolution: number): Genome {
  const genome = new Uint8Array(length);
  depths.forEach((_, index) => {
    genome[slots + index] = values[slots + index]! - 1;
  });
  genome[length - 1] = resolution;
  return genome;
}

interface Probe {
  readonly slot?: number;
  readonly stage?: number;
  readonly value: number;
  readonly arch: Arch;
}

/** Every network that differs from the deepest one in one slot's choice or one stage's depth; inactive slots cost nothing. */
function probesOf(genetics: Genetics, resolution: number): Probe[] {
  const { slots, values, depths, offsets } = genetics;
  const base = deepest(genetics, resolution);
  const probes: Probe[] = [];
  for (let slot = 0; slot < slots; slot++) {
    for (let value = 1; value < values[slot]!; value++) {
      probes.push({ slot, value, arch: toArch(genetics, base.with(slot, value)) });
    }
  }
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    for (let value = 0; value + 1 < depths[stage]!.length; value++) {
      probes.push({ stage, value, arch: toArch(genetics, base.with(slots + stage, value)) });
    }
  }
  return probes;
}

/** Costs are compared to a few units in the last place of sums of this many terms. */
const SUM_ERROR = 1e-9;

/** What a genome costs by the parts of its resolution. */
function costByParts({ slots, offsets, depths }: Genetics, genome: Genome, parts: AdditiveCost): number {
  let sum = parts.base;
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const value = genome[slots + stage]!;
    sum += parts.depths[stage]![value]!;
    const end = offsets[stage]! + depths[stage]![value]!;
    for (let slot = offsets[stage]!; slot < end; slot++) sum += parts.choices[slot]![genome[slot]!]!;
  }
  return sum;
}

/** Whether parts that were found one at a time give the costs of networks in which much is changed at once. */
function addsUp(genetics: Genetics, resolution: number, { cost }: Constraint, parts: AdditiveCost): boolean {
  const mixed = (depthOf: (count: number) => number): Genome => {
    const genome = deepest(genetics, resolution);
    for (let slot = 0; slot < genetics.slots; slot++) {
      genome[slot] = Math.max(0, genetics.values[slot]! - 1 - (slot % 2));
    }
    genetics.depths.forEach(({ length }, stage) => {
      genome[genetics.slots + stage] = depthOf(length);
    });
    return normalize(genetics, genome);
  };
  const genomes = [mixed((count) => count - 1), mixed(() => 0)];
  const actual = cost(genomes.map((genome) => toArch(genetics, genome)));
  return genomes.every((genome, index) => {
    const size = Math.abs(actual[index]!);
    return Math.abs(costByParts(genetics, genome, parts) - actual[index]!) <= SUM_ERROR * size;
  });
}

/**
 * Takes a cost apart by probing it.
 * @param resolution index among the genetics' resolutions
 * @returns undefined where it does not add up over the blocks: elastic widths couple neighbors, peaks combine by maximum
 */
export function takeApart(genetics: Genetics, resolution: number, constraint: Constraint): AdditiveCost | undefined {
  if (genetics.widths > 0 || genetics.stemDepths > 0) return undefined;
  const probes = probesOf(genetics, resolution);
  const costs = constraint.cost([toArch(genetics, deepest(genetics, resolution)), ...probes.map(({ arch }) => arch)]);
  const base = costs[0]!;
  const choices = Array.from({ length: genetics.slots }, (_, slot) => new Float64Array(genetics.values[slot]!));
  const depths = genetics.depths.map((list) => new Float64Array(list.length));
  probes.forEach(({ slot, stage, value }, index) => {
    const change = costs[index + 1]! - base;
    if (slot !== undefined) choices[slot]![value] = change;
    if (stage !== undefined) depths[stage]![value] = change;
  });
  const parts = { base, choices, depths };
  return addsUp(genetics, resolution, constraint, parts) ? parts : undefined;
}

/** Which choices and depths a network may have; everything unless told. */
export interface Allowed {
  readonly choice: (slot: number, value: number) => boolean;
  readonly depth: (stage: number, value: number) => boolean;
}

/** The least of a weighted sum of costs, and a genome that has it; undefined where nothing is allowed. */
export function leastOf(
  genetics: Genetics,
  resolution: number,
  {
    parts,
    weights,
    allowed,
  }: { readonly parts: readonly AdditiveCost[]; readonly weights: readonly number[]; readonly allowed?: Allowed },
): { readonly value: number; readonly genome: Genome } | undefined {
  const { slots, offsets, depths } = genetics;
  const weighted = (of: (part: AdditiveCost) => number): number =>
    parts.reduce((sum, part, index) => sum + weights[index]! * of(part), 0);
  const genome = deepest(genetics, resolution);
  let value = weighted(({ base }) => base);
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const bestChoice: number[] = [];
    const sums = [0]; // of the best choices of the stage's first 0, 1, 2, ... blocks
    for (let slot = offsets[stage]!; slot < offsets[stage + 1]!; slot++) {
      let best = -1;
      let least = Number.POSITIVE_INFINITY;
      for (let choice = 0; choice < genetics.values[slot]!; choice++) {
        const here = weighted((part) => part.choices[slot]![choice]!);
        if (here < least && (allowed?.choice(slot, choice) ?? true)) [best, least] = [choice, here];
      }
      bestChoice.push(best);
      sums.push(sums.at(-1)! + least);
    }
    let depthValue = -1;
    let least = Number.POSITIVE_INFINITY;
    depths[stage]!.forEach((depth, index) => {
      const here = weighted((part) => part.depths[stage]![index]!) + sums[depth]!;
      if (here < least && (allowed?.depth(stage, index) ?? true)) [depthValue, least] = [index, here];
    });
    if (depthValue < 0) return undefined;
    genome[slots + stage] = depthValue;
    const depth = depths[stage]![depthValue]!;
    bestChoice.forEach((choice, block) => {
      genome[offsets[stage]! + block] = block < depth ? choice : 0;
    });
    value += least;
  }
  return { value, genome };
}
