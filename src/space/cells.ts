import { blockChoices } from './choices.js';
import { depthLists, slotCount, stageOffsets, stemDepths, widthLists } from './slots.js';
import type { Arch, SearchSpace } from './types.js';

/**
 * The groups of `blockGroups` in every shape that they can have at one resolution, numbered. What shapes a block is its own choice, the
 * width of its stage and, where it is the first, that of the stage before; what shapes stem and head is the widths at those ends.
 */
export interface Cells {
  /** How many there are; numbers are below it. */
  readonly count: number;
  /**
   * Writes the numbers of an arch's groups in execution order.
   * @param out at least as long as an arch has groups, {@link Cells.mostGroups}
   * @returns how many were written
   */
  write(arch: Arch, out: Int32Array): number;
  /** Groups of the deepest arch. */
  readonly mostGroups: number;
}

/** Numbers the cells of a space. */
export function makeCells(space: SearchSpace): Cells {
  const choices = blockChoices(space);
  const offsets = stageOffsets(space);
  const slots = slotCount(space);
  const before = stemDepths(space);
  const widths = Math.max(1, ...widthLists(space).map((list) => list.length));
  const stemShapes = (before > 0 ? Math.max(...depthLists(space)[0]!) + 1 : 1) * widths ** 2;
  const hasFirst = space.family === 'mobilenet-v3' && space.firstBlock !== undefined;
  const head = stemShapes + 1; // one cell lies between: the fixed first block's
  const firstSlot = head + widths;
  return {
    count: firstSlot + slots * widths ** 2 * choices.count,
    mostGroups: slots + 3,
    write: (arch, out) => {
      const at = arch.widthIndices;
      let from = at === undefined ? 0 : at[1]!; // width index of what the next block reads
      const stemDepth = before > 0 ? arch.depths[0]! : 0;
      out[0] = at === undefined ? 0 : (stemDepth * widths + at[0]!) * widths + from;
      let used = 1;
      if (hasFirst) out[used++] = stemShapes;
      for (let stage = 0; stage + 1 < offsets.length; stage++) {
        const own = at === undefined ? 0 : at[2 + stage]!;
        const end = offsets[stage]! + arch.depths[before + stage]!;
        for (let slot = offsets[stage]!; slot < end; slot++) {
          out[used++] = firstSlot + ((slot * widths + from) * widths + own) * choices.count + choices.at(arch, slot);
          from = own;
        }
      }
      out[used++] = head + from;
      return used;
    },
  };
}

/**
 * Archs at one resolution that together have every group of the space in every shape: each uniform in its block choice and of full depth,
 * with every pair of widths next to each other.
 */
export function coveringArchs(space: SearchSpace, resolution: number): Arch[] {
  const slots = slotCount(space);
  const lists = widthLists(space);
  const most = Math.max(1, ...lists.map((list) => list.length));
  const before = stemDepths(space);
  const deepest = depthLists(space).map((depths) => depths[depths.length - 1]!);
  const depthsOf = before === 0 ? [deepest] : depthLists(space)[0]!.map((stem) => [stem, ...deepest.slice(1)]);
  return blockChoices(space).of.flatMap(({ kernel, expandRatio }) =>
    depthsOf.flatMap((depths) =>
      Array.from({ length: most * most }, (_, pair): Arch => {
        const ends = [Math.floor(pair / most), pair % most];
        return {
          spaceId: space.id,
          kernelSizes: new Array<number>(slots).fill(kernel),
          expandRatios: new Array<number>(slots).fill(expandRatio),
          depths,
          // Shorter lists repeat their last entry.
          ...(lists.length === 0
            ? {}
            : { widthIndices: lists.map((list, i) => Math.min(ends[i % 2]!, list.length - 1)) }),
          resolution,
        };
      }),
    ),
  );
}
