import { invariant } from '../common/invariant.js';
import { canonicalArch, maxArch, minArch } from '../space/arch.js';
import { withStageDepths } from '../space/slots.js';
import type { Arch, SearchSpace } from '../space/types.js';
import type { ElasticChoices, Phase, Recipe } from './recipe.js';
import { learningRate } from './schedule.js';

/** Where a step lies in a recipe. */
export interface StepPosition {
  readonly step: number;
  readonly phaseIndex: number;
  readonly phase: Phase;
  /** 0..phaseSteps-1 */
  readonly stepInPhase: number;
  readonly phaseSteps: number;
}

/** Steps of a phase with so many workers. */
function stepsOf(phase: Phase, workers: number): number {
  return Math.ceil(phase.images / (phase.batch * workers));
}

/** Steps of a whole recipe. */
export function totalSteps(recipe: Recipe, workers: number): number {
  return recipe.phases.reduce((sum, phase) => sum + stepsOf(phase, workers), 0);
}

/** The phase of a step; `step` 0..totalSteps-1. */
export function positionOf(recipe: Recipe, workers: number, step: number): StepPosition {
  let start = 0;
  for (const [phaseIndex, phase] of recipe.phases.entries()) {
    const phaseSteps = stepsOf(phase, workers);
    if (step < start + phaseSteps) return { step, phaseIndex, phase, stepInPhase: step - start, phaseSteps };
    start += phaseSteps;
  }
  invariant(false, () => `step ${step} of a recipe of ${start} steps`);
}

/** The learning rate of a step. */
export function lrAt({ phase, stepInPhase, phaseSteps }: StepPosition): number {
  const warmupSteps = Math.round(phase.warmup * phaseSteps);
  return learningRate({ peak: phase.lr, final: phase.finalLr, warmupSteps, totalSteps: phaseSteps }, stepInPhase);
}

/** Images seen, over all workers, when each phase begins. */
export function phaseStarts({ phases }: Recipe, workers: number): readonly { name: string; images: number }[] {
  let images = 0;
  return phases.map((phase) => {
    const start = images;
    images += stepsOf(phase, workers) * phase.batch * workers;
    return { name: phase.name, images: start };
  });
}

/** Images seen, over all workers, after so many steps. */
export function imagesSeen(recipe: Recipe, workers: number, steps: number): number {
  let left = steps;
  return recipe.phases.reduce((images, phase) => {
    const taken = Math.min(left, stepsOf(phase, workers));
    left -= taken;
    return images + taken * phase.batch * workers;
  }, 0);
}

/** The part of a space that a phase samples from, as a space; it has the same block slots. */
export function restrictSpace(space: SearchSpace, elastic: ElasticChoices): SearchSpace {
  const { kernelSizes, expandRatios, resolutions, depths } = elastic;
  return withStageDepths({ ...space, kernelSizes, expandRatios, resolutions }, depths);
}

/** The largest and the smallest arch of a phase, canonical in the whole space. */
export function extremesOf(space: SearchSpace, elastic: ElasticChoices): { largest: Arch; smallest: Arch } {
  const part = restrictSpace(space, elastic);
  return { largest: canonicalArch(space, maxArch(part)), smallest: canonicalArch(space, minArch(part)) };
}
