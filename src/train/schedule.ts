/** A learning rate over the steps of one phase: a linear warm-up, then a half cosine. */
export interface LearningRateSchedule {
  /** The highest value, reached at the end of the warm-up. */
  readonly peak: number;
  /** The value after the last step, 0..peak. */
  readonly final: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/**
 * The learning rate of a step.
 * @param step 0..totalSteps-1
 * Source: Loshchilov & Hutter 2017 (cosine), Goyal et al. 2017, section 2.2 (warm-up)
 */
export function learningRate(schedule: LearningRateSchedule, step: number): number {
  const { peak, final, warmupSteps, totalSteps } = schedule;
  if (step < warmupSteps) return (peak * (step + 1)) / (warmupSteps + 1);
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  return final + (peak - final) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
