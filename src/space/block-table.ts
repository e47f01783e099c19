import { invariant } from '../common/invariant.js';
import { maxArch } from './arch.js';
import { blockGroups } from './blocks.js';
import { blockChoices, stageOffsets } from './choices.js';
import { lower } from './lower.js';
import { slotCount } from './slots.js';
import type { Arch, LayerSpec, SearchSpace } from './types.js';

/** A figure per block, combined over an arch's blocks by table look-up. */
export interface BlockTable {
  /** The combined figure of each arch, in order. */
  total(archs: readonly Arch[]): Float64Array;
}

/** A figure of one group of `blockGroups` (never negative), and how the groups' figures make the arch's. */
export interface BlockFigure {
  readonly perBlock: (layers: readonly LayerSpec[]) => number;
  /** `sum` adds the groups' figures in execution order, `max` takes the largest. */
  readonly combine: 'sum' | 'max';
}

/** One figure at one resolution: of the groups before the blocks, of each (slot, choice), and of the head. */
interface FigureTable {
  readonly before: number[];
  /** Indexed `slot * choices + choice`. */
  readonly blocks: Float64Array;
  head: number;
}

/**
 * Lowers one uniform arch per block choice at full depth: a block's shapes depend on its own choice and the resolution alone,
 * so these hold every block of every arch.
 */
function tabulate(space: SearchSpace, resolution: number, figures: readonly BlockFigure[]): FigureTable[] {
  const slots = slotCount(space);
  const choices = blockChoices(space);
  const tables = figures.map((): FigureTable => {
    return { before: [], blocks: new Float64Array(slots * choices.count), head: 0 };
  });
  choices.of.forEach(({ kernel, expandRatio }, choice) => {
    const arch: Arch = {
      ...maxArch(space),
      kernelSizes: new Array<number>(slots).fill(kernel),
      expandRatios: new Array<number>(slots).fill(expandRatio),
      resolution,
    };
    const groups = blockGroups(lower(space, arch));
    const firstBlock = groups.length - slots - 1;
    figures.forEach(({ perBlock }, index) => {
      const table = tables[index]!;
      groups.slice(firstBlock, -1).forEach((group, slot) => {
        table.blocks[slot * choices.count + choice] = perBlock(group);
      });
      if (choice > 0) return; // what is not elastic is the same for every choice
      table.before.push(...groups.slice(0, firstBlock).map(perBlock));
      table.head = perBlock(groups[groups.length - 1]!);
    });
  });
  return tables;
}

/**
 * Makes tables of several per-block figures of a space; lowering is shared.
 * Tables are filled per resolution, when it is first asked for; any resolution works.
 */
export function makeBlockTables(space: SearchSpace, figures: readonly BlockFigure[]): BlockTable[] {
  const choices = blockChoices(space);
  const offsets = stageOffsets(space);
  const tables = new Map<number, FigureTable[]>();
  const tablesAt = (resolution: number): FigureTable[] => {
    const known = tables.get(resolution);
    if (known !== undefined) return known;
    const made = tabulate(space, resolution, figures);
    tables.set(resolution, made);
    return made;
  };
  const totalOf = (arch: Arch, index: number, isSum: boolean): number => {
    const { before, blocks, head } = tablesAt(arch.resolution)[index]!;
    let total = 0; // figures are never negative, so 0 is neutral for both
    for (const figure of before) total = isSum ? total + figure : Math.max(total, figure);
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const end = offsets[stage]! + arch.depths[stage]!;
      for (let slot = offsets[stage]!; slot < end; slot++) {
        const figure = blocks[slot * choices.count + choices.at(arch, slot)]!;
        total = isSum ? total + figure : Math.max(total, figure);
      }
    }
    return isSum ? total + head : Math.max(total, head);
  };
  return figures.map(({ combine }, index) => ({
    total: (archs) => {
      const stranger = archs.find((arch) => arch.spaceId !== space.id);
      invariant(stranger === undefined, () => `a table of ${space.id} was asked about ${stranger?.spaceId}`);
      const totals = new Float64Array(archs.length);
      for (let i = 0; i < archs.length; i++) {
        totals[i] = totalOf(archs[i]!, index, combine === 'sum');
      }
      return totals;
    },
  }));
}

/**
 * Makes a table of one per-block figure, milliseconds say, added up over an arch's groups.
 * @param perBlock figure of one group of `blockGroups`, never negative; called once per resolution, slot and choice
 */
export function makeBlockTable(space: SearchSpace, perBlock: (layers: readonly LayerSpec[]) => number): BlockTable {
  return makeBlockTables(space, [{ perBlock, combine: 'sum' }])[0]!;
}
