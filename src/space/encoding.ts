import { invariant } from '../common/invariant.js';
import { canonicalArch, withWidths } from './arch.js';
import { blockChoices } from './choices.js';
import { allSlots, depthLists, slotCount, stageOffsets, stemDepths, widthLists } from './slots.js';
import type { Arch, SearchSpace } from './types.js';

/** Where a one-hot field that is not a block's starts in a row, and how many values it has. */
interface Field {
  readonly start: number;
  readonly length: number;
}

/** Where what is in a row of {@link encodeArchs}: a slot's kernel sizes from `slot * kernels`, its expand ratios from `expandStart + slot * expands`. */
export interface EncodingLayout {
  readonly kernels: number;
  readonly expands: number;
  readonly expandStart: number;
  /** The fields behind those of the blocks: an elastic stem's depth, elastic widths, and last the resolution. */
  readonly stem?: Field;
  readonly widths: readonly Field[];
  readonly resolution: Field;
  /** Length of a row. */
  readonly features: number;
}

/** The layout of an encoding. @param resolutions the predictor's list, pixels */
export function encodingLayout(space: SearchSpace, resolutions: readonly number[]): EncodingLayout {
  const [kernels, expands] = [space.kernelSizes.length, space.expandRatios.length];
  const expandStart = slotCount(space) * kernels;
  let features = expandStart + slotCount(space) * expands;
  const next = (length: number): Field => {
    features += length;
    return { start: features - length, length };
  };
  const stem = stemDepths(space) === 0 ? {} : { stem: next(depthLists(space)[0]!.length) };
  const widths = widthLists(space).map(({ length }) => next(length));
  const resolution = next(resolutions.length);
  return { kernels, expands, expandStart, ...stem, widths, resolution, features };
}

/** Length of an arch's encoding, see {@link encodeArchs}. */
export function encodingLength(space: SearchSpace, resolutions: readonly number[] = space.resolutions): number {
  return encodingLayout(space, resolutions).features;
}

/**
 * Encodes architectures for a predictor, one row each: `[slots x kernels | slots x expand ratios | stem depth | widths | resolutions]`,
 * slot-major one-hots; the stem's depth and widths are there where they are elastic.
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
  const { kernels, expands, expandStart, features, ...fields } = encodingLayout(space, resolutions);
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
  const before = stemDepths(space);
  for (let row = 0; row < archs.length; row++) {
    const arch = archs[row]!;
    const start = row * features;
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const end = offsets[stage]! + arch.depths[before + stage]!;
      for (let slot = offsets[stage]!; slot < end; slot++) {
        const choice = choices.at(arch, slot);
        const expand = choice % expands;
        rows[start + slot * kernels + (choice - expand) / expands] = 1;
        rows[start + expandStart + slot * expands + expand] = 1;
      }
    }
    if (fields.stem !== undefined) rows[start + fields.stem.start + depthLists(space)[0]!.indexOf(arch.depths[0]!)] = 1;
    for (const [index, field] of fields.widths.entries()) rows[start + field.start + arch.widthIndices![index]!] = 1;
    rows[start + fields.resolution.start + resolutions.indexOf(arch.resolution)] = 1;
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
function hotIndex(row: Float32Array, { start, length }: Field): number {
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
  const { kernels, expands, expandStart, features, ...fields } = encodingLayout(space, resolutions);
  invariant(encoding.length === features, () => `an encoding of ${features} was expected, got ${encoding.length}`);
  const { kernelSizes, expandRatios } = space;
  const depths = new Array<number>(space.stages.length).fill(0);
  const kernelList: number[] = [];
  const expandList: number[] = [];
  for (const { slot, stageIndex, blockIndex } of allSlots(space)) {
    const kernel = hotIndex(encoding, { start: slot * kernels, length: kernels });
    const expand = hotIndex(encoding, { start: expandStart + slot * expands, length: expands });
    const isActive = kernel >= 0;
    const follows = !isActive || depths[stageIndex] === blockIndex;
    invariant(isActive === expand >= 0 && follows, () => `slot ${slot} of the encoding contradicts the others`);
    if (isActive) depths[stageIndex] = blockIndex + 1;
    kernelList.push(kernelSizes[Math.max(0, kernel)]!);
    expandList.push(expandRatios[Math.max(0, expand)]!);
  }
  const resolution = resolutions[hotIndex(encoding, fields.resolution)];
  const stem = fields.stem === undefined ? [] : [depthLists(space)[0]![hotIndex(encoding, fields.stem)]];
  const widths = fields.widths.map((field) => hotIndex(encoding, field));
  const all = [...stem, ...depths];
  invariant(
    resolution !== undefined && all.every((depth) => depth !== undefined) && !widths.includes(-1),
    () => 'the encoding lacks a resolution, a width or the depth of the stem',
  );
  return canonicalArch(space, {
    spaceId: space.id,
    kernelSizes: kernelList,
    expandRatios: expandList,
    depths: all,
    ...withWidths(space, widths),
    resolution,
  });
}
