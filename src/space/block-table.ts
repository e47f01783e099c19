import { invariant } from '../common/invariant.js';
import { blockGroups } from './blocks.js';
import { type Cells, coveringArchs, makeCells } from './cells.js';
import { lower } from './lower.js';
import type { Arch, LayerSpec, SearchSpace } from './types.js';

/** A figure per block, combined over an arch's blocks by table look-up. */
export interface BlockTable {
  /** The combined figure of each arch, in order. */
  total(archs: readonly Arch[]): Float64Array;
}

/** A figure of one group of `blockGroups` (never negative), and how the groups' figures make the arch's. */
export interface BlockFigure {
  readonly perBlock: (layers: readonly LayerSpec[], resolution: number) => number;
  /** `sum` adds the groups' figures in execution order, `max` takes the largest. */
  readonly combine: 'sum' | 'max';
}

/** Figures of every cell at one resolution, one array per figure; blocks' shapes depend on nothing else. */
function tabulate(
  space: SearchSpace,
  cells: Cells,
  resolution: number,
  figures: readonly BlockFigure[],
): Float64Array[] {
  const tables = figures.map(() => new Float64Array(cells.count));
  const isKnown = new Uint8Array(cells.count);
  const numbers = new Int32Array(cells.mostGroups);
  for (const arch of coveringArchs(space, resolution)) {
    cells.write(arch, numbers);
    blockGroups(lower(space, arch)).forEach((group, index) => {
      const cell = numbers[index]!;
      if (isKnown[cell] === 1) return;
      isKnown[cell] = 1;
      figures.forEach(({ perBlock }, figure) => {
        tables[figure]![cell] = perBlock(group, resolution);
      });
    });
  }
  return tables;
}

/**
 * Makes tables of several per-block figures of a space; lowering is shared.
 * Tables are filled per resolution, when it is first asked for; any resolution works.
 */
export function makeBlockTables(space: SearchSpace, figures: readonly BlockFigure[]): BlockTable[] {
  const cells = makeCells(space);
  const tables = new Map<number, Float64Array[]>();
  const tablesAt = (resolution: number): Float64Array[] => {
    const known = tables.get(resolution);
    if (known !== undefined) return known;
    const made = tabulate(space, cells, resolution, figures);
    tables.set(resolution, made);
    return made;
  };
  const numbers = new Int32Array(cells.mostGroups);
  const totalOf = (arch: Arch, index: number, isSum: boolean): number => {
    const table = tablesAt(arch.resolution)[index]!;
    const groups = cells.write(arch, numbers);
    let total = 0; // figures are never negative, so 0 is neutral for both
    for (let i = 0; i < groups; i++) {
      const figure = table[numbers[i]!]!;
      total = isSum ? total + figure : Math.max(total, figure);
    }
    return total;
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
 * @param perBlock figure of one group of `blockGroups` in a network of a resolution, never negative; called once per resolution and shape
 */
export function makeBlockTable(space: SearchSpace, perBlock: BlockFigure['perBlock']): BlockTable {
  return makeBlockTables(space, [{ perBlock, combine: 'sum' }])[0]!;
}
