import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import { activeSlots, depthLists, slotCount, slotsPerStage, stemDepths, widthLists } from './slots.js';
import type { Arch, ArchId, SearchSpace } from './types.js';

/** Counting works at any resolution from here up, pixels; smaller maps vanish in the strides. */
const MIN_RESOLUTION = 8;

/** By loops, as fronts have hundreds of archs whose ids are asked for at once. */
function fillActive(space: SearchSpace, arch: Arch, key: 'kernelSizes' | 'expandRatios'): number[] {
  const [before, smallest] = [stemDepths(space), Math.min(...space[key])];
  const filled: number[] = [];
  for (let stage = 0; stage < space.stages.length; stage++) {
    const start = filled.length;
    const [depth, slots] = [arch.depths[before + stage] ?? 0, slotsPerStage(space.stages[stage]!)];
    for (let block = 0; block < slots; block++) filled.push(block < depth ? arch[key][start + block]! : smallest);
  }
  return filled;
}

/**
 * The canonical form: entries of inactive block slots become the space's smallest value, so that equal networks are equal data.
 * @returns a new arch; the argument is not changed
 */
export function canonicalArch(space: SearchSpace, arch: Arch): Arch {
  return {
    spaceId: space.id,
    kernelSizes: fillActive(space, arch, 'kernelSizes'),
    expandRatios: fillActive(space, arch, 'expandRatios'),
    depths: [...arch.depths],
    ...withWidths(space, arch.widthIndices ?? []),
    resolution: arch.resolution,
  };
}

/** The member `widthIndices`, which archs have where widths are elastic and nowhere else. */
export function withWidths(space: SearchSpace, widthIndices: readonly number[]): Pick<Arch, 'widthIndices'> {
  return widthLists(space).length === 0 ? {} : { widthIndices };
}

/** Hex sha256 over the canonical arch with its space id: equal for equal networks, whatever their inactive slots say. */
export function archId(space: SearchSpace, arch: Arch): ArchId {
  const { depths, expandRatios, kernelSizes, resolution, spaceId, widthIndices } = canonicalArch(space, arch);
  // Canonical JSON: members in the order of their names; it leaves out what is undefined. Fronts have hundreds of archs.
  const inOrder = { depths, expandRatios, kernelSizes, resolution, spaceId, widthIndices };
  const text = JSON.stringify(inOrder satisfies Record<keyof Arch, unknown>);
  return sha256(text) as string as ArchId; // the brand means exactly this hash of a canonical arch
}

function uniformArch(space: SearchSpace, choose: (...values: number[]) => number): Arch {
  const slots = slotCount(space);
  return canonicalArch(space, {
    spaceId: space.id,
    kernelSizes: new Array<number>(slots).fill(choose(...space.kernelSizes)),
    expandRatios: new Array<number>(slots).fill(choose(...space.expandRatios)),
    depths: depthLists(space).map((depths) => choose(...depths)),
    ...withWidths(
      space,
      widthLists(space).map((widths) => choose(0, widths.length - 1)),
    ),
    resolution: choose(...space.resolutions),
  });
}

/** The largest arch: every elastic choice at its largest. */
export function maxArch(space: SearchSpace): Arch {
  return uniformArch(space, Math.max);
}

/** The smallest arch: every elastic choice at its smallest. */
export function minArch(space: SearchSpace): Arch {
  return uniformArch(space, Math.min);
}

export interface InSpaceOptions {
  /** Accept every whole resolution of at least 8 pixels, as counting does. */
  readonly anyResolution?: boolean;
}

function refuse(space: SearchSpace, what: string, value: unknown, allowed: string): never {
  const given = value === undefined ? 'nothing' : JSON.stringify(value);
  throw new BespokeError(
    'arch-out-of-space',
    `Architecture for space "${space.id}": ${what} is ${given}; it must be ${allowed}.`,
  );
}

function assertResolution(space: SearchSpace, resolution: number, options: InSpaceOptions): void {
  if (options.anyResolution === true) {
    if (Number.isInteger(resolution) && resolution >= MIN_RESOLUTION) return;
    refuse(space, 'resolution', resolution, `a whole number of pixels, at least ${MIN_RESOLUTION}`);
  }
  if (space.resolutions.includes(resolution)) return;
  refuse(space, 'resolution', resolution, `one of ${space.resolutions.join(', ')}`);
}

function assertDepths(space: SearchSpace, { depths }: Arch): void {
  const lists = depthLists(space);
  if (depths.length !== lists.length) {
    const words =
      stemDepths(space) > 0 ? `${lists.length}: the stem's, then one per stage` : `${lists.length}, one per stage`;
    refuse(space, 'the number of depths', depths.length, words);
  }
  lists.forEach((allowed, index) => {
    const depth = depths[index];
    if (depth === undefined || !allowed.includes(depth)) {
      refuse(space, `depths[${index}]`, depth, `one of ${allowed.join(', ')}`);
    }
  });
}

function assertWidths(space: SearchSpace, { widthIndices = [] }: Arch): void {
  const lists = widthLists(space);
  if (widthIndices.length !== lists.length) {
    const words =
      lists.length === 0
        ? 'none: widths are not elastic'
        : `${lists.length}: of the stem's middle, the stem, and each stage`;
    refuse(space, 'the number of widthIndices', widthIndices.length, words);
  }
  lists.forEach((widths, index) => {
    const at = widthIndices[index];
    if (at !== undefined && widths[at] !== undefined) return;
    refuse(space, `widthIndices[${index}]`, at, `an index into ${widths.join(', ')}: 0 to ${widths.length - 1}`);
  });
}

/**
 * Checks that an arch lies in the space; entries of inactive block slots are not looked at.
 * @throws BespokeError `arch-out-of-space`, naming the slot, the value and the allowed values
 */
export function assertArchInSpace(space: SearchSpace, arch: Arch, options: InSpaceOptions = {}): void {
  if (arch.spaceId !== space.id) refuse(space, 'spaceId', arch.spaceId, `"${space.id}"`);
  assertDepths(space, arch);
  assertWidths(space, arch);
  for (const key of ['kernelSizes', 'expandRatios'] as const) {
    const slots = slotCount(space);
    if (arch[key].length !== slots)
      refuse(space, `the number of ${key}`, arch[key].length, `${slots}, one per block slot`);
    for (const { slot, stageIndex, blockIndex } of activeSlots(space, arch)) {
      const value = arch[key][slot];
      if (value !== undefined && space[key].includes(value)) continue;
      const where = `${key}[${slot}] (stage ${stageIndex}, block ${blockIndex})`;
      refuse(space, where, value, `one of ${space[key].join(', ')}`);
    }
  }
  assertResolution(space, arch.resolution, options);
}
