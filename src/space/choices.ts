import { InvariantError } from '../common/invariant.js';
import type { Arch, SearchSpace } from './types.js';

/** A block's elastic choice as one integer: `kernelIndex * expandRatios.length + expandIndex`. */
export interface BlockChoices {
  readonly count: number;
  readonly of: readonly { readonly kernel: number; readonly expandRatio: number }[];
  /** Number of the choice at an active slot of an arch; a value from outside the space is a broken assumption. */
  readonly at: (arch: Arch, slot: number) => number;
}

function refuseSlot(space: SearchSpace, slot: number): never {
  throw new InvariantError(`slot ${slot} of an arch holds a value that ${space.id} lacks`);
}

/** Numbers the block choices of a space, kernel-major, both lists in the space's order. */
export function blockChoices(space: SearchSpace): BlockChoices {
  const { kernelSizes, expandRatios } = space;
  const width = expandRatios.length;
  // Asked for every block of every scored arch: kernels are found by index, and no message is built before it is needed.
  const kernelStart = new Int32Array(Math.max(...kernelSizes) + 1).fill(-1);
  kernelSizes.forEach((kernel, index) => {
    kernelStart[kernel] = index * width;
  });
  const at = (arch: Arch, slot: number): number => {
    const start = kernelStart[arch.kernelSizes[slot]!] ?? -1;
    const expandRatio = arch.expandRatios[slot]!;
    let expand = 0;
    while (expand < width && expandRatios[expand] !== expandRatio) expand++;
    if (start < 0 || expand === width) refuseSlot(space, slot);
    return start + expand;
  };
  const of = kernelSizes.flatMap((kernel) => expandRatios.map((expandRatio) => ({ kernel, expandRatio })));
  return { count: of.length, of, at };
}
