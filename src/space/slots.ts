import type { Arch, SearchSpace } from './types.js';

/** A place where a block may stand. `slot` counts over all stages, and indexes `kernelSizes` and `expandRatios`. */
export interface Slot {
  readonly slot: number;
  readonly stageIndex: number;
  readonly blockIndex: number;
}

/** Block slots of a stage: its largest depth. */
export function slotsPerStage(stage: { readonly depths: readonly number[] }): number {
  return stage.depths[stage.depths.length - 1] ?? 0;
}

/** Block slots of the whole space: the length of an arch's `kernelSizes`. */
export function slotCount(space: SearchSpace): number {
  return stageOffsets(space)[space.stages.length]!;
}

/** For each stage the number of its first slot, and at the end the number of all slots. */
export function stageOffsets(space: SearchSpace): number[] {
  const offsets = [0];
  for (const stage of space.stages) offsets.push(offsets[offsets.length - 1]! + slotsPerStage(stage));
  return offsets;
}

/** The choices of each entry of an arch's `depths`: that of an elastic stem first, where the family has one, then one per stage. */
export function depthLists(space: SearchSpace): (readonly number[])[] {
  const stages = space.stages.map(({ depths }) => depths);
  return space.family === 'resnet-d' ? [space.stem.depths, ...stages] : stages;
}

/** The space with other elastic depths of its stages; a stem's stay as they are. @param depths per stage a list, ascending */
export function withStageDepths(space: SearchSpace, depths: readonly (readonly number[])[]): SearchSpace {
  const changed = <T extends { readonly depths: readonly number[] }>(stages: readonly T[]): T[] =>
    stages.map((stage, index) => ({ ...stage, depths: depths[index] ?? stage.depths }));
  return space.family === 'resnet-d'
    ? { ...space, stages: changed(space.stages) }
    : { ...space, stages: changed(space.stages) };
}

/** How many entries of an arch's `depths` stand before those of the stages. */
export function stemDepths(space: SearchSpace): number {
  return space.family === 'resnet-d' ? 1 : 0;
}

/** The widths that each entry of an arch's `widthIndices` is an index into: stem's middle, stem, stages; none where widths are not elastic. */
export function widthLists(space: SearchSpace): (readonly number[])[] {
  if (space.family !== 'resnet-d') return [];
  return [space.stem.midWidths, space.stem.widths, ...space.stages.map(({ widths }) => widths)];
}

/** Every block slot, stage-major. */
export function allSlots(space: SearchSpace): Slot[] {
  const slots: Slot[] = [];
  space.stages.forEach((stage, stageIndex) => {
    for (let blockIndex = 0; blockIndex < slotsPerStage(stage); blockIndex++) {
      slots.push({ slot: slots.length, stageIndex, blockIndex });
    }
  });
  return slots;
}

/** The slots whose blocks are in the network: the first ones of each stage, as many as it is deep. */
export function activeSlots(space: SearchSpace, arch: Pick<Arch, 'depths'>): Slot[] {
  const before = stemDepths(space);
  return allSlots(space).filter(({ stageIndex, blockIndex }) => blockIndex < (arch.depths[before + stageIndex] ?? 0));
}
