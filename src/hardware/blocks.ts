import { invariant } from '../common/invariant.js';
import { blockGroups, blockKey } from '../space/blocks.js';
import { coveringArchs } from '../space/cells.js';
import { lower } from '../space/lower.js';
import type { LayerSpec, SearchSpace } from '../space/types.js';

/** The layers of one block, stem or head. */
export type BlockLayers = readonly LayerSpec[];

/**
 * Every block that can occur at a resolution: the groups of networks that together have all of them.
 * A block's shapes depend on its slot, its own choice, the widths around it and the resolution alone. The order does not depend on the resolution.
 */
function blocksAt(space: SearchSpace, resolution: number): BlockLayers[] {
  return coveringArchs(space, resolution).flatMap((arch) => [...blockGroups(lower(space, arch))]);
}

/** The distinct blocks at some resolutions, by their keys: what has to be measured. */
export function distinctBlocks(space: SearchSpace, resolutions: readonly number[]): Map<string, BlockLayers> {
  const blocks = new Map<string, BlockLayers>();
  for (const resolution of resolutions) {
    for (const layers of blocksAt(space, resolution)) blocks.set(blockKey(layers), layers);
  }
  return blocks;
}

/** Resolutions to measure: all of up to four, else both ends and the middle one. */
export function measuredResolutions(resolutions: readonly number[]): readonly number[] {
  const sorted = [...resolutions].sort((a, b) => a - b);
  if (sorted.length <= 4) return sorted;
  return [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!]; // five or more entries
}

/** The nearest measured resolutions around one that was not measured. */
function neighbors(measured: readonly number[], resolution: number): readonly [number, number] {
  const above = measured.findIndex((r) => r > resolution);
  invariant(above > 0, () => `resolution ${resolution} lies outside the measured ${measured.join(', ')}`);
  return [measured[above - 1]!, measured[above]!];
}

/**
 * Completes a table of measured blocks for all resolutions of a space. Between measured resolutions a block's time is taken as
 * linear in the map's area, as its multiply-accumulates are.
 * @param measured ms by block key, for every block at the resolutions `at`
 * @param at measured resolutions, ascending; the first and last are the space's
 */
export function completeTable(
  space: SearchSpace,
  measured: ReadonlyMap<string, number>,
  at: readonly number[],
): Record<string, number> {
  const table: Record<string, number> = Object.fromEntries(measured);
  const msAt = (resolution: number): number[] =>
    blocksAt(space, resolution).map((layers) => {
      const ms = measured.get(blockKey(layers));
      invariant(ms !== undefined, () => `no time for ${blockKey(layers)}`);
      return ms;
    });
  const times = new Map(at.map((resolution) => [resolution, msAt(resolution)]));
  for (const resolution of space.resolutions) {
    if (times.has(resolution)) continue;
    const [low, high] = neighbors(at, resolution);
    const share = (resolution ** 2 - low ** 2) / (high ** 2 - low ** 2);
    const lowMs = times.get(low)!; // neighbors are among `at`
    const highMs = times.get(high)!;
    blocksAt(space, resolution).forEach((layers, i) => {
      table[blockKey(layers)] ??= lowMs[i]! + share * (highMs[i]! - lowMs[i]!);
    });
  }
  return table;
}
