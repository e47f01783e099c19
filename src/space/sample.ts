import { invariant } from '../common/invariant.js';
import type { Rng } from '../common/rng.js';
import { canonicalArch, withWidths } from './arch.js';
import { depthLists, slotCount, stemDepths, widthLists } from './slots.js';
import type { Arch, SearchSpace } from './types.js';

export interface SampleOptions {
  /** Resolutions to draw from, pixels; the space's unless told. */
  readonly resolutions?: readonly number[];
  /**
   * `choices` (the default): every elastic choice is uniform on its own, as the published sampling is.
   * `subnets`: uniform over the distinct sub-networks; deep stages are then far more frequent, as there are more of them.
   */
  readonly uniformOver?: 'choices' | 'subnets';
}

/** A depth with probability in proportion to the number of distinct stages of that depth. */
function weightedDepth(depths: readonly number[], choicesPerBlock: number, rng: Rng): number {
  const deepest = depths[depths.length - 1]!;
  const weights = depths.map((depth) => choicesPerBlock ** (depth - deepest)); // relative to the deepest: no overflow
  let left = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  const index = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return index < 0 ? deepest : depths[index]!;
}

/**
 * Draws a random architecture, in canonical form.
 * @param rng is advanced
 */
export function sampleArch(space: SearchSpace, rng: Rng, options: SampleOptions = {}): Arch {
  const resolutions = options.resolutions ?? space.resolutions;
  invariant(resolutions.length > 0, () => 'sampling needs at least one resolution');
  const choicesPerBlock = space.kernelSizes.length * space.expandRatios.length;
  const slots = slotCount(space);
  const before = stemDepths(space);
  return canonicalArch(space, {
    spaceId: space.id,
    kernelSizes: Array.from({ length: slots }, () => rng.pick(space.kernelSizes)),
    expandRatios: Array.from({ length: slots }, () => rng.pick(space.expandRatios)),
    depths: depthLists(space).map((depths, index) =>
      options.uniformOver === 'subnets'
        ? weightedDepth(depths, index < before ? 1 : choicesPerBlock, rng)
        : rng.pick(depths),
    ),
    ...withWidths(
      space,
      widthLists(space).map((widths) => rng.int(widths.length)),
    ),
    resolution: rng.pick(resolutions),
  });
}
