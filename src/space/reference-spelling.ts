import { assertArchInSpace, canonicalArch, type InSpaceOptions } from './arch.js';
import { type JsonObject, readObject, refuseJson } from './json-reader.js';
import { allSlots, slotCount, slotsPerStage } from './slots.js';
import type { Arch, SearchSpace } from './types.js';

/** Our names of an arch's members, each with the published code's names. The one place that knows those. */
const SPELLINGS = {
  own: { kernelSizes: 'kernelSizes', expandRatios: 'expandRatios', depths: 'depths', resolution: ['resolution'] },
  reference: { kernelSizes: 'ks', expandRatios: 'e', depths: 'd', resolution: ['r', 'image_size', 'resolution'] },
} as const;

/** A list of `length` values; a number alone is broadcast. Entries are checked later, and only those of active slots. */
function readValues(object: JsonObject, key: string, length: number): number[] {
  const value = object.members[key];
  if (typeof value === 'number') return new Array<number>(length).fill(value);
  if (!Array.isArray(value) || value.length !== length) {
    const given = Array.isArray(value) ? `a list of ${value.length}` : value;
    return refuseJson(`${object.where}: ${key}`, `a number or a list of ${length} numbers`, given);
  }
  return value.map((entry) => (typeof entry === 'number' ? entry : Number.NaN)); // NaN lies in no space
}

function readResolution(object: JsonObject, keys: readonly string[]): number {
  const key = keys.find((name) => object.members[name] !== undefined) ?? keys[0]!;
  const value = object.members[key];
  const single = Array.isArray(value) && value.length === 1 ? value[0] : value; // the published samples hold [224]
  return typeof single === 'number' ? single : refuseJson(`${object.where}: ${key}`, 'a number of pixels', value);
}

/**
 * Reads an architecture in either spelling: `{kernelSizes, expandRatios, depths, resolution}` or the published
 * `{ks, e, d, r | image_size}`. Scalars are broadcast, entries of inactive slots ignored, other members not looked at.
 * In the published spelling a depth beyond the stage's slots means all of them, as it does there.
 * @returns the arch in canonical form
 * @throws BespokeError `invalid-request` for malformed JSON, `arch-out-of-space` for values the space does not have
 */
export function parseArch(space: SearchSpace, json: unknown, options: InSpaceOptions & { where?: string } = {}): Arch {
  const object = readObject(json, options.where ?? 'architecture');
  const isReference = object.members.kernelSizes === undefined && object.members.ks !== undefined;
  const names = isReference ? SPELLINGS.reference : SPELLINGS.own;
  const slots = slotCount(space);
  const depths = readValues(object, names.depths, space.stages.length);
  const spaceId = object.members.spaceId ?? space.id;
  if (typeof spaceId !== 'string') refuseJson(`${object.where}: spaceId`, 'a string', spaceId);
  const arch: Arch = {
    spaceId,
    kernelSizes: readValues(object, names.kernelSizes, slots),
    expandRatios: readValues(object, names.expandRatios, slots),
    depths: isReference ? depths.map((depth, stage) => Math.min(depth, slotsPerStage(space.stages[stage]!))) : depths,
    resolution: readResolution(object, names.resolution),
  };
  assertArchInSpace(space, arch, options);
  return canonicalArch(space, arch);
}

/** An arch in the published spelling, for files that other tools read. Inactive slots are given as 0, as they are not looked at. */
export function toReferenceSpelling(
  space: SearchSpace,
  arch: Arch,
): { ks: number[]; e: number[]; d: number[]; r: number } {
  const ifActive = (values: readonly number[]): number[] =>
    allSlots(space).map(({ slot, stageIndex, blockIndex }) =>
      blockIndex < arch.depths[stageIndex]! ? values[slot]! : 0,
    );
  return { ks: ifActive(arch.kernelSizes), e: ifActive(arch.expandRatios), d: [...arch.depths], r: arch.resolution };
}
