import type { Arch, SearchSpace, StageSpec } from './types.js';

/** A place where a block may stand. `slot` counts over all stages, and indexes `kernelSizes` and `expandRatios`. */
export interface Slot {
  readonly slot: number;
  readonly stageIndex: number;
  readonly blockIndex: number;
}

/** Block slots of a stage: its largest depth. */
export function slotsPerStage(stage: StageSpec): number {
  return stage.depths[stage.depths.length - 1] ?? 0;
}

/** Block slots of the whole space: the length of an arch's `kernelSizes`. */
export function slotCount(space: SearchSpace): number {
  return space.stages.reduce((sum, stage) => sum + slotsPerStage(stage), 0);
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

/** The slots whose blocks are in the network: the first `depths[s]` of each stage. */
export function activeSlots(space: SearchSpace, arch: Pick<Arch, 'depths'>): Slot[] {
  return allSlots(space).filter(({ stageIndex, blockIndex }) => blockIndex < (arch.depths[stageIndex] ?? 0));
}
