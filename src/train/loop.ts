import { makeRng } from '../common/rng.js';
import { canonicalArch, maxArch, minArch } from '../space/arch.js';
import { sampleArch } from '../space/sample.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { brokenParameter, DivergenceWatch, netName, refuseDivergence } from './divergence.js';
import { globalNorm, type Optimizer, type OptimizerState } from './optimizer.js';
import type { ParameterLayout } from './parameter-layout.js';
import { imagesSeen, lrAt, positionOf, type StepPosition, totalSteps } from './phases.js';
import type { Recipe } from './recipe.js';
import { sortStateChannels } from './sort-state.js';
import type { NetReport } from './step-runner.js';
import { type TrainEvent, WindowMeter } from './train-events.js';
import type { WorkerCrew } from './worker-crew.js';

/** A run's state, advanced in place. */
export interface TrainState extends OptimizerState {
  step: number;
  elapsedMs: number;
  /** Moving average of the weights; empty if the recipe has none. */
  readonly average: Float32Array;
  /** Weights of a frozen teacher; empty if the recipe has none. */
  readonly teacher: Float32Array;
}

export interface LoopOptions {
  readonly space: SearchSpace;
  readonly recipe: Recipe;
  readonly layout: ParameterLayout;
  readonly optimizer: Optimizer;
  readonly seed: number;
  readonly workers: number;
  readonly crew: Pick<WorkerCrew, 'step' | 'averageInto' | 'validate'>;
  /** Held-out images per validation batch. */
  readonly validationBatch: number;
  /** The archs of the progress figures by name; unless told the space's extremes and a few random ones. */
  readonly validationArchs?: ReadonlyMap<string, Arch> | undefined;
  /** Writes the state to disk. */
  readonly save: (state: TrainState) => void;
  readonly onEvent: (event: TrainEvent) => void;
  readonly signal?: AbortSignal | undefined;
  /** Stop, resumably, after so much time in this call, ms. */
  readonly maxMs?: number | undefined;
  readonly saveEveryMs: number;
  readonly windowMs: number;
}

/** Random archs in a validation beside the largest and the smallest. */
const VALIDATION_RANDOM_ARCHS = 4;

/** The archs of the progress figures: the extremes of the space and a few fixed random ones. */
function validationArchs(space: SearchSpace, seed: number): ReadonlyMap<string, Arch> {
  const rng = makeRng(seed).fork('validation');
  const random = Array.from({ length: VALIDATION_RANDOM_ARCHS }, (_, i): [string, Arch] => [
    `random${i}`,
    canonicalArch(space, sampleArch(space, rng)),
  ]);
  return new Map([['largest', maxArch(space)], ['smallest', minArch(space)], ...random]);
}

/** Whether the weights before this step become the frozen teacher: at the start of the first phase that has one. */
function freezesTeacher(recipe: Recipe, { stepInPhase, phaseIndex }: StepPosition): boolean {
  return stepInPhase === 0 && recipe.phases.findIndex(({ teacher }) => teacher === 'frozen') === phaseIndex;
}

/** The weights that a run ends with: the moving average where the recipe has one. */
export function finalWeights(recipe: Recipe, state: TrainState): Float32Array {
  return recipe.ema === undefined ? state.weights : state.average;
}

/** Moves the average towards the weights, in place; early averages are short, else they would remember the random start. */
function updateAverage({ average, weights, step }: TrainState, decay: number): void {
  const keep = Math.min(decay, (1 + step) / (10 + step));
  for (let i = 0; i < average.length; i++) average[i] = keep * average[i]! + (1 - keep) * weights[i]!;
}

/** What a phase does to the state before its first step. */
function enterPhase(state: TrainState, { space, recipe, layout }: LoopOptions, position: StepPosition): void {
  if (position.stepInPhase !== 0) return;
  if (freezesTeacher(recipe, position)) state.teacher.set(finalWeights(recipe, state));
  if (position.phase.sortChannels) {
    const opened = recipe.phases.slice(0, position.phaseIndex).map(({ elastic }) => elastic);
    sortStateChannels(space, layout, state, opened);
  }
}

/** One step over all workers: gradients, their mean, the update. Returns the reports and the gradient's norm. */
async function advance(
  state: TrainState,
  options: LoopOptions,
  position: StepPosition,
  gradient: Float32Array,
): Promise<{ nets: readonly NetReport[]; norm: number }> {
  const { crew, recipe } = options;
  enterPhase(state, options, position);
  const nets = await crew.step(position.step);
  const bad = nets.findIndex(({ loss }) => !Number.isFinite(loss));
  const refuse = (what: string): never => refuseDivergence(options, position, what);
  if (bad >= 0) refuse(`the loss of ${netName(options, position, nets, bad)} is ${nets[bad]?.loss}`);
  crew.averageInto(gradient);
  const norm = await options.optimizer.update(state, gradient, {
    lr: lrAt(position),
    weightDecay: position.phase.weightDecay,
    clipNorm: recipe.clipNorm,
    step: position.step,
  });
  if (!Number.isFinite(norm)) {
    refuse(`the gradient's norm is ${norm} (${brokenParameter(options.layout, gradient) ?? 'finite, but too large'})`);
  }
  if (!Number.isFinite(globalNorm(state.weights))) {
    const name = brokenParameter(options.layout, state.weights);
    refuse(name === undefined ? 'the weights are too large' : `a weight of "${name}" is not finite`);
  }
  state.step = position.step + 1;
  if (recipe.ema !== undefined) updateAverage(state, recipe.ema);
  return { nets, norm };
}

/** Why a loop ended. */
export type LoopEnd = 'finished' | 'aborted' | 'outOfTime';

/**
 * Trains from `state.step` to the recipe's end, in place. After a signal or `maxMs` it ends between two steps with a saved state,
 * from which a later call goes on with bit-identical results.
 * @throws BespokeError `internal` when training diverges (names the step), `storage-failed` when a checkpoint cannot be written
 */
export async function trainLoop(state: TrainState, options: LoopOptions): Promise<LoopEnd> {
  const { recipe, workers, onEvent, signal } = options;
  const steps = totalSteps(recipe, workers);
  const gradient = new Float32Array(options.layout.size);
  const meter = new WindowMeter();
  const watch = new DivergenceWatch(options);
  const begun = performance.now();
  const elapsedBefore = state.elapsedMs;
  const seen = (): number => imagesSeen(recipe, workers, state.step);
  let saved = begun;
  let windowStart = { ms: begun, images: seen() };
  let validatedAt = Math.floor(seen() / recipe.validateEvery);
  const save = (): void => {
    state.elapsedMs = elapsedBefore + performance.now() - begun;
    options.save(state);
    saved = performance.now();
  };
  while (state.step < steps) {
    const outOfTime = performance.now() - begun > (options.maxMs ?? Number.POSITIVE_INFINITY);
    if (signal?.aborted === true || outOfTime) {
      save();
      return outOfTime ? 'outOfTime' : 'aborted';
    }
    const position = positionOf(recipe, workers, state.step);
    const { nets, norm } = await advance(state, options, position, gradient);
    meter.add(nets, norm);
    const warning = watch.observe(position, nets);
    if (warning !== undefined) onEvent({ kind: 'warning', step: state.step, detail: warning });
    const now = performance.now();
    if (now - windowStart.ms >= options.windowMs || state.step === steps) {
      const images = seen();
      const imagesPerSecond = ((images - windowStart.images) * 1000) / (now - windowStart.ms);
      const etaMs = ((imagesSeen(recipe, workers, steps) - images) / imagesPerSecond) * 1000;
      const elapsedMs = elapsedBefore + now - begun;
      const place = { step: state.step, steps, phase: position.phase.name, images };
      onEvent({ kind: 'window', ...place, imagesPerSecond, etaMs, elapsedMs, lr: lrAt(position), ...meter.take() });
      windowStart = { ms: now, images };
    }
    if (now - saved >= options.saveEveryMs) save();
    const due = Math.floor(seen() / recipe.validateEvery);
    if (due > validatedAt || state.step === steps) {
      validatedAt = due;
      await validate(state, options, seen());
      windowStart = { ms: performance.now(), images: seen() };
    }
  }
  save();
  return 'finished';
}

async function validate(state: TrainState, options: LoopOptions, images: number): Promise<void> {
  const archs = options.validationArchs ?? validationArchs(options.space, options.seed);
  const top1 = await options.crew.validate([...archs.values()], options.validationBatch);
  const batchStatisticsTop1 = Object.fromEntries([...archs.keys()].map((name, i) => [name, top1[i]!]));
  options.onEvent({ kind: 'validation', step: state.step, images, batchStatisticsTop1 });
}
