import { canonicalArch } from '../../../src/space/arch.js';
import { depthLists, slotCount, widthLists } from '../../../src/space/slots.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';

function* product(lists: readonly (readonly number[])[]): Generator<number[]> {
  const [head, ...tail] = lists;
  if (head === undefined) return yield [];
  for (const rest of product(tail)) for (const value of head) yield [value, ...rest];
}

/** Every genotype of a small space at its first resolution, inactive slots included; many are the same network. */
function* everyGenotype(space: SearchSpace, resolution: number): Generator<Arch> {
  const slots = slotCount(space);
  const kernelLists = new Array<readonly number[]>(slots).fill(space.kernelSizes);
  const expandLists = new Array<readonly number[]>(slots).fill(space.expandRatios);
  const widths = [...product(widthLists(space).map((list) => [...list.keys()]))];
  for (const depths of product(depthLists(space))) {
    for (const kernelSizes of product(kernelLists)) {
      for (const expandRatios of product(expandLists)) {
        const arch = { spaceId: space.id, kernelSizes, expandRatios, depths, resolution };
        for (const widthIndices of widths) yield widthIndices.length === 0 ? arch : { ...arch, widthIndices };
      }
    }
  }
}

/** Every distinct architecture of a small space, in canonical form, by listing genotypes and dropping doubles. */
export function everyArch(space: SearchSpace, resolutions: readonly number[] = space.resolutions): Arch[] {
  const found = new Map<string, Arch>();
  for (const resolution of resolutions) {
    for (const genotype of everyGenotype(space, resolution)) {
      const arch = canonicalArch(space, genotype);
      found.set(JSON.stringify(arch), arch);
    }
  }
  return [...found.values()];
}
