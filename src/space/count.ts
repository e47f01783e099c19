import type { SearchSpace } from './types.js';

/**
 * The exact number of distinct sub-networks: only active blocks distinguish them, resolution is not counted.
 * Per stage the sum over its depths d of (kernels * expand ratios)^d; stages multiply.
 * Source: Cai et al. 2020, section 3 (there approximately)
 */
export function countSubnets(space: SearchSpace): bigint {
  const perBlock = BigInt(space.kernelSizes.length * space.expandRatios.length);
  return space.stages.reduce(
    (product, stage) => product * stage.depths.reduce((sum, depth) => sum + perBlock ** BigInt(depth), 0n),
    1n,
  );
}
