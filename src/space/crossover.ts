import { invariant } from '../common/invariant.js';
import type { Rng } from '../common/rng.js';
import { canonicalArch, withWidths } from './arch.js';
import type { Arch, SearchSpace } from './types.js';

/**
 * Mixes two architectures: each entry (every kernel, expand ratio, depth, width, and the resolution) comes from either parent with equal chance.
 * @param parents are not changed
 * @param rng is advanced
 * @returns a new arch, in canonical form
 * Source: the published evolutionary search (uniform crossover)
 */
export function crossoverArchs(space: SearchSpace, parents: readonly [Arch, Arch], rng: Rng): Arch {
  const [a, b] = parents;
  invariant(a.spaceId === space.id && b.spaceId === space.id, () => `parents are not of space ${space.id}`);
  const mix = (left: readonly number[], right: readonly number[]): number[] =>
    left.map((value, index) => (rng.chance(0.5) ? value : right[index]!));
  return canonicalArch(space, {
    spaceId: space.id,
    kernelSizes: mix(a.kernelSizes, b.kernelSizes),
    expandRatios: mix(a.expandRatios, b.expandRatios),
    depths: mix(a.depths, b.depths),
    ...withWidths(space, mix(a.widthIndices ?? [], b.widthIndices ?? [])),
    resolution: rng.chance(0.5) ? a.resolution : b.resolution,
  });
}
