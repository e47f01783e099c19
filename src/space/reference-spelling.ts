import { assertArchInSpace, canonicalArch, type InSpaceOptions } from './arch.js';
import { type JsonObject, readObject, refuseJson } from './json-reader.js';
import { activeSlots, depthLists, slotCount, slotsPerStage, widthLists } from './slots.js';
import type { Arch, SearchSpace } from './types.js';

/** Our names of an arch's members, each with the published code's names. The one place that knows those. */
const SPELLINGS = {
  own: {
    kernelSizes: 'kernelSizes',
    expandRatios: 'expandRatios',
    depths: 'depths',
    widthIndices: 'widthIndices',
    resolution: ['resolution'],
  },
  reference: {
    kernelSizes: 'ks',
    expandRatios: 'e',
    depths: 'd',
    widthIndices: 'w',
    resolution: ['r', 'image_size', 'resolution'],
  },
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

/** Kernel sizes may be left out where there is no choice among them. */
function readKernels(space: SearchSpace, object: JsonObject, key: string): number[] {
  const [only, ...others] = space.kernelSizes;
  const slots = slotCount(space);
  if (object.members[key] === undefined && only !== undefined && others.length === 0) {
    return new Array<number>(slots).fill(only);
  }
  return readValues(object, key, slots);
}

/**
 * Our depths from published ones. Those of MobileNets count blocks; more than a stage's slots means all of them. Those of ResNets count
 * what comes on top of the fewest blocks, and the first keeps the stem's residual convolution where it is 2.
 */
function fromReferenceDepths(space: SearchSpace, given: readonly number[]): number[] {
  const lists = depthLists(space);
  if (space.family !== 'resnet-d') return given.map((depth, at) => Math.min(depth, slotsPerStage(space.stages[at]!)));
  return given.map((extra, at) => (at === 0 ? Number(extra === RESIDUAL_STEM) : lists[at]![0]! + extra));
}

/** What the published ResNets call the depth of a stem with its residual convolution; anything else is one without. */
const RESIDUAL_STEM = 2;

/**
 * Reads an architecture in either spelling: `{kernelSizes, expandRatios, depths, widthIndices?, resolution}` or the published
 * `{ks, e, d, w?, r | image_size}`. Scalars are broadcast, entries of inactive slots ignored, other members not looked at.
 * @returns the arch in canonical form
 * @throws BespokeError `invalid-request` for malformed JSON, `arch-out-of-space` for values the space does not have
 */
export function parseArch(space: SearchSpace, json: unknown, options: InSpaceOptions & { where?: string } = {}): Arch {
  const object = readObject(json, options.where ?? 'architecture');
  const isReference = object.members.expandRatios === undefined && object.members.e !== undefined;
  const names = isReference ? SPELLINGS.reference : SPELLINGS.own;
  const depths = readValues(object, names.depths, depthLists(space).length);
  const widths = widthLists(space).length;
  const spaceId = object.members.spaceId ?? space.id;
  if (typeof spaceId !== 'string') refuseJson(`${object.where}: spaceId`, 'a string', spaceId);
  const arch: Arch = {
    spaceId,
    kernelSizes: readKernels(space, object, names.kernelSizes),
    expandRatios: readValues(object, names.expandRatios, slotCount(space)),
    depths: isReference ? fromReferenceDepths(space, depths) : depths,
    ...(widths === 0 ? {} : { widthIndices: readValues(object, names.widthIndices, widths) }),
    resolution: readResolution(object, names.resolution),
  };
  assertArchInSpace(space, arch, options);
  return canonicalArch(space, arch);
}

/** An arch as published files spell it; `ks` for MobileNets, `w` for ResNets. */
export interface ReferenceArch {
  readonly ks?: readonly number[];
  readonly e: readonly number[];
  readonly d: readonly number[];
  readonly w?: readonly number[];
  readonly r: number;
}

/** An arch in the published spelling, for files that other tools read. Inactive slots are given as 0, as they are not looked at. */
export function toReferenceSpelling(space: SearchSpace, arch: Arch): ReferenceArch {
  const active = new Set(activeSlots(space, arch).map(({ slot }) => slot));
  const ifActive = (values: readonly number[]): number[] => values.map((value, slot) => (active.has(slot) ? value : 0));
  const e = ifActive(arch.expandRatios);
  const { depths, widthIndices, resolution: r } = arch;
  if (space.family !== 'resnet-d') return { ks: ifActive(arch.kernelSizes), e, d: [...depths], r };
  const fewest = depthLists(space).map((list) => list[0]!);
  const d = depths.map((depth, at) => (at === 0 ? RESIDUAL_STEM * depth : depth - fewest[at]!));
  return { e, d, w: [...(widthIndices ?? [])], r };
}
