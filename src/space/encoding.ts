import { invariant } from '../common/invariant.js';
import { canonicalArch } from './arch.js';
import { blockChoices, stageOffsets } from './choices.js';
import { allSlots, slotCount } from './slots.js';
import type { Arch, SearchSpace } from './types.js';

/** Length of an arch's encoding: per block slot a one-hot kernel and a one-hot expand ratio, and a one-hot resolution. */
export function encodingLength(space: SearchSpace, resolutions: readonly number[] = space.resolutions): number {
  return slotCount(space) * (space.kernelSizes.length + space.expandRatios.length) + resolutions.length;
}

/**
 * Encodes architectures for a predictor, one row each: `[slots x kernels | slots x expand ratios | resolutions]`, slot-major one-hots.
 * Inactive slots are all zero, so equal networks have equal rows.
 * @param out where to write, at least archs.length * features long, else a new array; rows beyond are left alone
 * @param resolutions the predictor's list, pixels; every arch's resolution must be in it
 * @returns float32 `[n, features]`, row-major
 */
export function encodeArchs(
  space: SearchSpace,
  archs: readonly Arch[],
  out?: Float32Array,
  resolutions: readonly number[] = space.resolutions,
): Float32Array {
  const features = encodingLength(space, resolutions);
  const rows = out ?? new Float32Array(archs.length * features);
  invariant(
    rows.length >= archs.length * features,
    () => `${archs.length} rows of ${features} do not fit ${rows.length}`,
  );
  const stranger = archs.find((arch) => !resolutions.includes(arch.resolution))?.resolution;
  invariant(stranger === undefined, () => `resolution ${stranger} is not among ${resolutions.join(', ')}`);
  if (out !== undefined) rows.fill(0, 0, archs.length * features);
  const offsets = stageOffsets(space);
  const choices = blockChoices(space);
  const kernels = space.kernelSizes.length;
  const expands = space.expandRatios.length;
  const expandStart = slotCount(space) * kernels;
  for (let row = 0; row < archs.length; row++) {
    const arch = archs[row]!;
    const start = row * features;
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const end = offsets[stage]! + arch.depths[stage]!;
      for (let slot = offsets[stage]!; slot < end; slot++) {
        const choice = choices.at(arch, slot);
        const expand = choice % expands;
        rows[start + slot * kernels + (choice - expand) / expands] = 1;
        rows[start + expandStart + slot * expands + expand] = 1;
      }
    }
    const resolution = resolutions.indexOf(arch.resolution);
    rows[start + features - resolutions.length + resolution] = 1;
  }
  return rows;
}

/** Encodes one architecture; see {@link encodeArchs}. */
export function encodeArch(
  space: SearchSpace,
  arch: Arch,
  resolutions: readonly number[] = space.resolutions,
): Float32Array {
  return encodeArchs(space, [arch], undefined, resolutions);
}

/** Index of the one in a one-hot field; -1 where all are zero. */
function hotIndex(row: Float32Array, start: number, length: number): number {
  const hot = row.subarray(start, start + length);
  const index = hot.indexOf(1);
  const isOneHot = hot.every((value, at) => value === (at === index ? 1 : 0));
  invariant(isOneHot, () => `features ${start}..${start + length - 1} are not one-hot`);
  return index;
}

/** The architecture of an encoding, in canonical form: the inverse of {@link encodeArch}. */
export function decodeArch(
  space: SearchSpace,
  encoding: Float32Array,
  resolutions: readonly number[] = space.resolutions,
): Arch {
  const features = encodingLength(space, resolutions);
  invariant(encoding.length === features, () => `an encoding of ${features} was expected, got ${encoding.length}`);
  const { kernelSizes, expandRatios } = space;
  const expandStart = slotCount(space) * kernelSizes.length;
  const depths = new Array<number>(space.stages.length).fill(0);
  const kernels: number[] = [];
  const expands: number[] = [];
  for (const { slot, stageIndex, blockIndex } of allSlots(space)) {
    const kernel = hotIndex(encoding, slot * kernelSizes.length, kernelSizes.length);
    const expand = hotIndex(encoding, expandStart + slot * expandRatios.length, expandRatios.length);
    const isActive = kernel >= 0;
    const follows = !isActive || depths[stageIndex] === blockIndex;
    invariant(isActive === expand >= 0 && follows, () => `slot ${slot} of the encoding contradicts the others`);
    if (isActive) depths[stageIndex] = blockIndex + 1;
    kernels.push(kernelSizes[Math.max(0, kernel)]!);
    expands.push(expandRatios[Math.max(0, expand)]!);
  }
  const resolution = resolutions[hotIndex(encoding, features - resolutions.length, resolutions.length)];
  invariant(resolution !== undefined, () => 'the encoding has no resolution');
  return canonicalArch(space, { spaceId: space.id, kernelSizes: kernels, expandRatios: expands, depths, resolution });
}
