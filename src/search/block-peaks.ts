import { makeRng, type Rng } from '../common/rng.js';
import { deepest } from './block-parts.js';
import type { CostFunction } from './costs.js';
import { endOfActive, type Genetics, type Genome, randomGenome, toArch } from './genome.js';

/** Random genomes that the tables are checked on before they are believed. */
const CHECKED = 48;

/** Per resolution 1 for each choice of a slot that a limit allows, `[slot * choices + choice]`. */
export type AllowedBlocks = readonly Uint8Array[];

/** Whether every active block of a genome is allowed. */
export function areAllowed(genetics: Genetics, genome: Genome, allowed: AllowedBlocks): boolean {
  const { offsets, length, choices } = genetics;
  const table = allowed[genome[length - 1]!]!;
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = endOfActive(genetics, genome, stage);
    for (let slot = offsets[stage]!; slot < end; slot++) {
      if (table[slot * choices.count + genome[slot]!] === 0) return false;
    }
  }
  return true;
}

/**
 * A copy in which each active block that is not allowed is drawn anew among the slot's that are, and before that a resolution that allows
 * nothing among those that do. Where there are none, they stay.
 */
export function withAllowedBlocks(genetics: Genetics, genome: Genome, allowed: AllowedBlocks, rng: Rng): Genome {
  const { offsets, length, choices } = genetics;
  const made = genome.slice();
  const usable = [...allowed.keys()].filter((resolution) => allowed[resolution]!.includes(1));
  if (usable.length > 0 && !usable.includes(made[length - 1]!)) made[length - 1] = rng.pick(usable);
  const table = allowed[made[length - 1]!]!;
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = endOfActive(genetics, genome, stage);
    for (let slot = offsets[stage]!; slot < end; slot++) {
      const row = table.subarray(slot * choices.count, (slot + 1) * choices.count);
      if (row[made[slot]!] === 1 || !row.includes(1)) continue;
      made[slot] = rng.pick([...row.keys()].filter((choice) => row[choice] === 1));
    }
  }
  return made;
}

/** The deepest network of a resolution with the last allowed choice of every slot. */
function largestAllowed(genetics: Genetics, resolution: number, allowed: AllowedBlocks): Genome {
  const { slots, choices } = genetics;
  const genome = deepest(genetics, resolution);
  for (let slot = 0; slot < slots; slot++) {
    const row = allowed[resolution]!.subarray(slot * choices.count, (slot + 1) * choices.count);
    genome[slot] = Math.max(0, row.lastIndexOf(1));
  }
  return genome;
}

/** What a limit allows at one resolution: nothing, where its shallowest network of smallest choices breaks it; undefined where its deepest does. */
function allowedAt(genetics: Genetics, resolution: number, keeps: (genomes: readonly Genome[]) => boolean[]) {
  const { slots, values, choices, depths } = genetics;
  const table = new Uint8Array(slots * choices.count);
  const base = deepest(genetics, resolution);
  const shallowest = base.slice().fill(0, slots, slots + depths.length);
  const [isBaseKept, isShallowestKept] = keeps([base, shallowest]);
  if (!isShallowestKept) return table;
  if (!isBaseKept) return undefined;
  const tried: { readonly at: number; readonly genome: Genome }[] = [];
  for (let slot = 0; slot < slots; slot++) {
    for (let value = 0; value < values[slot]!; value++) {
      tried.push({ at: slot * choices.count + value, genome: base.with(slot, value) });
    }
  }
  keeps(tried.map(({ genome }) => genome)).forEach((isKept, i) => {
    table[tried[i]!.at] = isKept ? 1 : 0;
  });
  return table;
}

/**
 * Finds out whether a limit holds for a network just if it holds for each block, as one on a cost that combines by maximum does: peak memory.
 * Each choice is tried in the deepest network of smallest choices; what the tables say is checked on random architectures.
 * @returns undefined where that is not so, or depends on the depth alone
 */
export function probeAllowedBlocks(genetics: Genetics, cost: CostFunction, max: number): AllowedBlocks | undefined {
  const { slots, resolutions, widths, stemDepths } = genetics;
  if (widths > 0 || stemDepths > 0) return undefined;
  const keeps = (genomes: readonly Genome[]): boolean[] =>
    Array.from(cost(genomes.map((genome) => toArch(genetics, genome))), (each) => each <= max); // NaN keeps nothing
  const allowed: Uint8Array[] = [];
  for (const resolution of resolutions.keys()) {
    const table = allowedAt(genetics, resolution, keeps);
    if (table === undefined) return undefined;
    allowed.push(table);
  }
  const rng = makeRng(slots); // any seed: the check must only be the same each time
  const random = Array.from({ length: CHECKED }, () => randomGenome(genetics, rng));
  // Where nearly every random network breaks the limit, those of allowed blocks tell whether blocks alone decide; where nearly every one
  // keeps it, the largest of them.
  const checked = [
    ...random.flatMap((genome) => [genome, withAllowedBlocks(genetics, genome, allowed, rng)]),
    ...[...resolutions.keys()].map((resolution) => largestAllowed(genetics, resolution, allowed)),
  ];
  const isKept = keeps(checked);
  return checked.every((genome, i) => areAllowed(genetics, genome, allowed) === isKept[i]) ? allowed : undefined;
}
