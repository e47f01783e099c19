import { slotCount, slotsPerStage, stageOffsets } from '../src/space/slots.js';
import type { Arch, SearchSpace } from '../src/space/types.js';

/** A cost that adds up over blocks, at one resolution: what every network pays, and what each slot's choices add to it. */
export interface BlockCosts {
  readonly resolution: number;
  readonly fixed: number;
  /** Per slot one number per kernel size and expand ratio, kernel-major. */
  readonly slots: readonly (readonly number[])[];
}

type CostOf = (archs: readonly Arch[]) => Float64Array;

/** The choice of kernel sizes and expand ratios by indices, the ratio's fastest. */
const choicesOf = ({ kernelSizes, expandRatios }: SearchSpace): readonly (readonly [number, number])[] =>
  kernelSizes.flatMap((kernel) => expandRatios.map((ratio) => [kernel, ratio] as const));

/** The network of the smallest choices, but for one slot. */
function withChoice(space: SearchSpace, depths: readonly number[], resolution: number, change?: Change): Arch {
  const values = (of: 0 | 1): number[] =>
    Array.from({ length: slotCount(space) }, (_, slot) =>
      change?.slot === slot ? change.choice[of] : choicesOf(space)[0]![of],
    );
  return { spaceId: space.id, kernelSizes: values(0), expandRatios: values(1), depths, resolution };
}

interface Change {
  readonly slot: number;
  readonly choice: readonly [number, number];
}

/**
 * Takes an additive cost apart by differences of whole networks, so that another program can have the same cost from a few numbers.
 * @param space of elastic kernels, expand ratios and depths alone
 */
export function blockCosts(space: SearchSpace, cost: CostOf, resolutions: readonly number[]): BlockCosts[] {
  const one = (arch: Arch): number => cost([arch])[0] ?? Number.NaN;
  const choices = choicesOf(space);
  const shallowest = space.stages.map(({ depths }) => depths[0] ?? 0);
  return resolutions.map((resolution) => {
    const fixed = one(withChoice(space, shallowest, resolution));
    const slots = space.stages.flatMap((stage, index) =>
      Array.from({ length: slotsPerStage(stage) }, (_, block) => {
        // A slot beyond the smallest depth adds its whole block, one within it adds what it has over the smallest choice.
        const depth = Math.max(block + 1, shallowest[index]!);
        const depths = shallowest.with(index, depth);
        const slot = stageOffsets(space)[index]! + block;
        const without = block < shallowest[index]! ? shallowest : shallowest.with(index, depth - 1);
        const base = one(withChoice(space, without, resolution));
        return choices.map((choice) => one(withChoice(space, depths, resolution, { slot, choice })) - base);
      }),
    );
    return { resolution, fixed, slots };
  });
}

/** The cost that such tables tell. @param tables of every resolution that is asked for */
export function costByTables(space: SearchSpace, tables: readonly BlockCosts[]): CostOf {
  const choices = choicesOf(space);
  const offsets = stageOffsets(space);
  const choiceAt = new Map(choices.map(([kernel, ratio], index) => [64 * kernel + ratio, index])); // both are small numbers
  const byResolution = new Map(tables.map((table) => [table.resolution, table]));
  return (archs) =>
    Float64Array.from(archs, ({ kernelSizes, expandRatios, depths, resolution }) => {
      const table = byResolution.get(resolution);
      let total = table?.fixed ?? Number.NaN;
      depths.forEach((depth, stage) => {
        for (let slot = offsets[stage]!; slot < offsets[stage]! + depth; slot++) {
          total += table?.slots[slot]?.[choiceAt.get(64 * kernelSizes[slot]! + expandRatios[slot]!)!] ?? Number.NaN;
        }
      });
      return total;
    });
}
