import { invariant } from '../../../src/common/invariant.js';
import { makeRng } from '../../../src/common/rng.js';
import { type Genetics, makeGenetics } from '../../../src/search/genome.js';
import { type Guess, makeEncoder } from '../../../src/search/guess.js';
import { type Limit, makeLimits } from '../../../src/search/limits.js';
import type { Constraint } from '../../../src/search/types.js';
import { activeSlots } from '../../../src/space/slots.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';

/** A guess whose gains are small multiples of 1/8: exact in whatever order they are summed, and often equal. @param most of them, 1 or more */
export function exactGuess(genetics: Genetics, seed: number, most = 2): Guess {
  const encoder = makeEncoder(genetics, genetics.resolutions);
  invariant(encoder !== undefined, () => 'the resolutions are the same');
  const rng = makeRng(seed);
  return encoder.guess(Float32Array.from({ length: encoder.features }, () => (rng.int(2 * most + 1) - most) / 8));
}

/** A cost that adds up over blocks in small whole numbers: exact, and often equal. Both depend on the resolution. */
export function wholeCost(space: SearchSpace, seed: number, most = 3): (archs: readonly Arch[]) => Float64Array {
  const rng = makeRng(seed);
  const costOf = (arch: Arch): number => {
    let sum = 20 + rng.fork(`r${arch.resolution}`).int(4);
    for (const { slot } of activeSlots(space, arch)) {
      sum += 1 + rng.fork(`${arch.resolution}.${slot}.${arch.kernelSizes[slot]}.${arch.expandRatios[slot]}`).int(most);
    }
    return sum;
  };
  return (archs) => Float64Array.from(archs, costOf);
}

/** Constraints as a search knows them, in order. */
export function limitsOf(genetics: Genetics, constraints: readonly Constraint[]): readonly Limit[] {
  const axis = (archs: readonly Arch[]): Float64Array => new Float64Array(archs.length);
  return makeLimits(genetics, constraints, { axis, axisId: 'none' }).list;
}

/** The genetics of a space at all its resolutions. */
export const geneticsOf = (space: SearchSpace): Genetics => makeGenetics(space, space.resolutions);
