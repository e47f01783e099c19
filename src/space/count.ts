import { depthLists, stemDepths, widthLists } from './slots.js';
import type { SearchSpace } from './types.js';

/**
 * The exact number of distinct sub-networks: only active blocks distinguish them, resolution is not counted.
 * Per stage the sum over its depths d of (kernels * expand ratios)^d; stages multiply. An elastic stem multiplies by its depths, elastic
 * widths by their number: they are counted by index, also where two are equally wide.
 * Source: Cai et al. 2020, section 3 (there approximately)
 */
export function countSubnets(space: SearchSpace): bigint {
  const perBlock = BigInt(space.kernelSizes.length * space.expandRatios.length);
  const before = stemDepths(space);
  const byDepths = depthLists(space).reduce((product, depths, index) => {
    const choices = index < before ? 1n : perBlock; // a stem's convolution has no choices of its own
    return product * depths.reduce((sum, depth) => sum + choices ** BigInt(depth), 0n);
  }, 1n);
  return widthLists(space).reduce((product, widths) => product * BigInt(widths.length), byDepths);
}
