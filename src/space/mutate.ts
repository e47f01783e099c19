import type { Rng } from '../common/rng.js';
import { canonicalArch, withWidths } from './arch.js';
import { depthLists, widthLists } from './slots.js';
import type { Arch, SearchSpace } from './types.js';

/** Chances of each part of an arch being drawn anew, 0..1, and the resolutions to draw from. */
export interface MutateOptions {
  /** Per block slot; kernel and expand ratio are drawn together. 0.1 unless told. */
  readonly blockProbability?: number;
  /** Per stage. 0.1 unless told. */
  readonly depthProbability?: number;
  /** Per elastic width. 0.1 unless told. */
  readonly widthProbability?: number;
  /** 0.5 unless told. */
  readonly resolutionProbability?: number;
  readonly resolutions?: readonly number[];
}

/**
 * Draws some parts of an architecture anew, uniformly; a drawn value may be the old one.
 * @param arch is not changed
 * @param rng is advanced
 * @returns a new arch, in canonical form
 * Source: the published evolutionary search; its defaults are the ones here
 */
export function mutateArch(space: SearchSpace, arch: Arch, rng: Rng, options: MutateOptions = {}): Arch {
  const {
    blockProbability = 0.1,
    depthProbability = 0.1,
    widthProbability = 0.1,
    resolutionProbability = 0.5,
  } = options;
  const kernelSizes = [...arch.kernelSizes];
  const expandRatios = [...arch.expandRatios];
  for (let slot = 0; slot < kernelSizes.length; slot++) {
    if (!rng.chance(blockProbability)) continue;
    kernelSizes[slot] = rng.pick(space.kernelSizes);
    expandRatios[slot] = rng.pick(space.expandRatios);
  }
  return canonicalArch(space, {
    spaceId: space.id,
    kernelSizes,
    expandRatios,
    depths: depthLists(space).map((depths, at) => (rng.chance(depthProbability) ? rng.pick(depths) : arch.depths[at]!)),
    ...withWidths(
      space,
      widthLists(space).map((widths, at) =>
        rng.chance(widthProbability) ? rng.int(widths.length) : arch.widthIndices![at]!,
      ),
    ),
    resolution: rng.chance(resolutionProbability)
      ? rng.pick(options.resolutions ?? space.resolutions)
      : arch.resolution,
  });
}
