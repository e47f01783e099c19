import { invariant } from '../common/invariant.js';
import type { Rng } from '../common/rng.js';
import { canonicalArch } from './arch.js';
import { slotCount } from './slots.js';
import type { Arch, SearchSpace, StageSpec } from './types.js';

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
function weightedDepth(stage: StageSpec, choicesPerBlock: number, rng: Rng): number {
  const deepest = stage.depths[stage.depths.length - 1]!;
  const weights = stage.depths.map((depth) => choicesPerBlock ** (depth - deepest)); // relative to the deepest: no overflow
  let left = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  const index = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return index < 0 ? deepest : stage.depths[index]!;
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
  return canonicalArch(space, {
    spaceId: space.id,
    kernelSizes: Array.from({ length: slots }, () => rng.pick(space.kernelSizes)),
    expandRatios: Array.from({ length: slots }, () => rng.pick(space.expandRatios)),
    depths: space.stages.map((stage) =>
      options.uniformOver === 'subnets' ? weightedDepth(stage, choicesPerBlock, rng) : rng.pick(stage.depths),
    ),
    resolution: rng.pick(resolutions),
  });
}
