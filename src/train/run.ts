import { join } from 'node:path';
import type { Lowering } from '../autodiff/term.js';
import { BespokeError } from '../common/errors.js';
import { canonicalJson } from '../common/hash.js';
import { invariant } from '../common/invariant.js';
import { makeRng } from '../common/rng.js';
import { writeDurably } from '../files/durable-write.js';
import type { SearchSpace } from '../space/types.js';
import { encodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor } from '../tensor/tensor.js';
import { checkTrainingData } from './check-data.js';
import {
  type Checkpoint,
  loadCheckpoint,
  type RunIdentity,
  STATE_VECTORS,
  saveCheckpoint,
  setAsideDamaged,
} from './checkpoint.js';
import type { TeacherModel } from './frozen-teacher.js';
import { initSupernet } from './initialize.js';
import { finalWeights, type LoopEnd, type TrainState, trainLoop } from './loop.js';
import { makeOptimizer } from './make-optimizer.js';
import { flatten, layoutOf, type ParameterLayout, unflatten } from './parameter-layout.js';
import { phaseStarts, totalSteps } from './phases.js';
import type { Recipe } from './recipe.js';
import { checkIdentity, identityOf, RECIPE_FILE, SPACE_FILE } from './run-identity.js';
import { RunJournal } from './run-journal.js';
import { withRunLock } from './run-lock.js';
import { initNet, type SingleNet, type SingleNetSetup } from './single-net.js';
import type { AttendedFront } from './subnet-schedule.js';
import type { TrainEvent } from './train-events.js';
import { shareImages, type TrainingData } from './training-data.js';
import { sharedFloats, WorkerCrew } from './worker-crew.js';

/** Name of the finished weights in a run's folder: the tensors that `SupernetTensors` documents. */
export const WEIGHTS_FILE = 'supernet.safetensors';
/** The same of a run that trains one network: its own tensors. */
export const NET_WEIGHTS_FILE = 'network.safetensors';

/** Longest time between two checkpoints, ms: what a crash can cost. */
const SAVE_EVERY_MS = 150_000;
/** Length of a window of figures, ms. */
const WINDOW_MS = 5_000;
/** Held-out images per validation batch: enough for steady batch statistics. */
const VALIDATION_BATCH = 250;

/** A training run. */
export interface TrainRunOptions {
  readonly space: SearchSpace;
  /** Present: this one network of the space is trained by itself, from these weights; the recipe is one that `assertNetRecipe` accepts. */
  readonly net?: SingleNet;
  /** Present: the supernet starts from these weights, of the space's largest shapes, instead of random ones. */
  readonly start?: ReadonlyMap<string, FloatTensor> | undefined;
  /** Present: one or more that teach in the phases with a frozen teacher; absent: the supernet's largest net does. */
  readonly teachers?: readonly TeacherModel[] | undefined;
  /** Present: what phases with a `frontShare` draw from; one architecture or more. */
  readonly front?: AttendedFront | undefined;
  readonly recipe: Recipe;
  readonly data: TrainingData;
  /** Folder of checkpoints, log and weights. */
  readonly dir: string;
  readonly seed: number;
  /** Threads, each with its own part of every step's images. */
  readonly workers: number;
  readonly lowering: Lowering;
  /** ONNX Runtime's names, in order of preference; the CPU unless told. */
  readonly executionProviders?: readonly string[] | undefined;
  /** Sessions keep arenas of their own, unless told: not needed where the process keeps freed memory (`keepsFreedMemory`). The results are the same. */
  readonly memoryArena?: boolean | undefined;
  /** Go on from the folder's newest whole checkpoint; without one, start. */
  readonly resume: boolean;
  readonly maxMs?: number | undefined;
  readonly saveEveryMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: (event: TrainEvent) => void;
}

/** How a run ended. */
export interface TrainOutcome {
  readonly end: LoopEnd;
  readonly step: number;
  readonly steps: number;
  /** Path of the weights; only of a finished run. */
  readonly weights?: string;
}

/** The state to start from: the checkpoint's, or fresh weights; and what was wrong with a checkpoint that was passed over. */
function openState(
  options: TrainRunOptions,
  identity: RunIdentity,
  layout: ParameterLayout,
): { readonly state: TrainState; readonly warnings: readonly string[] } {
  const { dir, space, net, start, recipe, seed, resume } = options;
  const usesTeacher = recipe.phases.some(({ teacher }) => teacher === 'frozen');
  const state: TrainState = {
    step: 0,
    elapsedMs: 0,
    weights: sharedFloats(layout.size),
    teacher: sharedFloats(usesTeacher ? layout.size : 0),
    velocity: new Float32Array(layout.size),
    secondMoment: new Float32Array(layout.size),
    average: new Float32Array(recipe.ema === undefined ? 0 : layout.size),
  };
  const found = loadCheckpoint(dir);
  if (found === undefined) {
    flatten(layout, net?.tensors ?? start ?? initSupernet(space, makeRng(seed).fork('init')), state.weights);
    if (recipe.ema !== undefined) state.average.set(state.weights);
    return { state, warnings: [] };
  }
  if (!resume) {
    throw new BespokeError(
      'conflict',
      `${dir} holds a run at step ${found.checkpoint.step}; resume it or choose another folder`,
    );
  }
  checkIdentity(found, options, identity);
  if (found.warnings.length > 0) setAsideDamaged(dir);
  for (const key of STATE_VECTORS) {
    const stored = found.checkpoint[key];
    const { length } = state[key];
    invariant(stored.length === length, () => `${found.path}: ${stored.length} ${key}, the run has ${length}`);
    state[key].set(stored);
  }
  state.step = found.checkpoint.step;
  state.elapsedMs = found.checkpoint.elapsedMs;
  const place = `${found.path}, step ${state.step}`;
  return { state, warnings: found.warnings.map((warning) => `${warning}; going on from ${place}`) };
}

function writeWeights(
  options: TrainRunOptions,
  identity: RunIdentity,
  layout: ParameterLayout,
  state: TrainState,
): string {
  const { seed, workers, recipeSha256, spaceSha256, dataSha256 } = identity;
  const metadata = {
    format: 'bespoke-supernet-1',
    spaceId: options.space.id,
    spaceSha256,
    recipe: options.recipe.name,
    recipeSha256,
    dataSha256,
    seed: String(seed),
    workers: String(workers),
    steps: String(state.step),
    ...(options.net === undefined ? {} : { arch: canonicalJson(options.net.arch) }),
  };
  const name = options.net === undefined ? WEIGHTS_FILE : NET_WEIGHTS_FILE;
  writeDurably(options.dir, name, encodeSafetensors(unflatten(layout, finalWeights(options.recipe, state)), metadata));
  return join(options.dir, name);
}

/**
 * Trains a supernet (or, with `net`, one network by itself) by a recipe, or goes on with a run that was interrupted. With the same space, recipe,
 * data, seed, workers and lowering the weights are bit-identical however often the run was stopped, killed and resumed.
 * @throws BespokeError `conflict` for a folder with another run in it or in which another process trains, `invalid-request` for a checkpoint of other
 * settings and for data that does not fit, `storage-failed` when the disk is full or no checkpoint is whole, `internal` when training diverges
 */
export async function trainSupernet(options: TrainRunOptions): Promise<TrainOutcome> {
  const { data, space, recipe, workers, dir } = options;
  checkTrainingData(data, space, recipe, workers);
  return await withRunLock(dir, () => trainLocked(options));
}

/** The run, once its folder is taken. */
async function trainLocked(options: TrainRunOptions): Promise<TrainOutcome> {
  const { space, net, recipe, dir, workers } = options;
  const layout = layoutOf(net === undefined ? initSupernet(space, makeRng(0)) : initNet(space, net.arch, makeRng(0)));
  const identity = identityOf({ ...options, lowering: loweringName(options) });
  const { state, warnings } = openState(options, identity, layout);
  writeDurably(dir, RECIPE_FILE, new TextEncoder().encode(`${JSON.stringify(recipe, null, 2)}\n`));
  writeDurably(dir, SPACE_FILE, new TextEncoder().encode(`${JSON.stringify(space, null, 2)}\n`));
  const steps = totalSteps(recipe, workers);
  const frame = { recipe: recipe.name, phases: phaseStarts(recipe, workers), steps };
  const journal = new RunJournal(dir, state.step, frame, options.onEvent);
  try {
    for (const detail of warnings) journal.emit({ kind: 'warning', step: state.step, detail });
    journal.emit({ kind: 'started', step: state.step, steps, lowering: identity.lowering });
    const end = await trainState(options, { identity, layout, state, journal });
    if (end === 'finished') {
      const weights = writeWeights(options, identity, layout, state);
      journal.emit({ kind: 'finished', step: state.step, elapsedMs: state.elapsedMs, weights });
      await journal.close();
      return { end, step: state.step, steps, weights };
    }
    journal.emit({ kind: 'stopped', step: state.step, reason: end });
    await journal.close();
    return { end, step: state.step, steps };
  } catch (error) {
    await journal.fail(error);
    throw error;
  }
}

/** What a run works on. */
interface OpenRun {
  readonly identity: RunIdentity;
  readonly layout: ParameterLayout;
  readonly state: TrainState;
  readonly journal: RunJournal;
}

/** Trains the state, in place, with workers of its own. */
async function trainState(options: TrainRunOptions, { identity, layout, state, journal }: OpenRun): Promise<LoopEnd> {
  const { space, net, teachers, front, recipe, dir, seed, workers, lowering, signal } = options;
  const data = { ...options.data, images: shareImages(options.data.images) };
  const { weights, teacher } = state;
  const optimizer = await makeOptimizer(layout, recipe.optimizer);
  const crew = new WorkerCrew({
    space,
    ...setupOf(net),
    teachers,
    front,
    recipe,
    lowering,
    executionProviders: options.executionProviders,
    memoryArena: options.memoryArena,
    seed,
    workers,
    data,
    weights,
    teacher,
  });
  const save = (now: TrainState): void => {
    const checkpoint: Checkpoint = { identity, ...now };
    saveCheckpoint(dir, checkpoint);
    journal.emit({ kind: 'checkpoint', step: now.step, path: dir });
  };
  try {
    return await trainLoop(state, {
      ...{ space, recipe, layout, optimizer, seed, workers, crew, signal, save, onEvent: journal.emit },
      validationBatch: Math.min(VALIDATION_BATCH, data.selection.length),
      validationArchs: net === undefined ? undefined : new Map([['single', net.arch]]),
      maxMs: options.maxMs,
      saveEveryMs: options.saveEveryMs ?? SAVE_EVERY_MS,
      windowMs: WINDOW_MS,
    });
  } finally {
    await crew.close();
    await optimizer.release();
  }
}

/** The net without its weights, which the workers read from the shared vector. */
function setupOf(net: SingleNet | undefined): { readonly net?: SingleNetSetup } {
  if (net === undefined) return {};
  const { tensors: _, ...setup } = net;
  return { net: setup };
}

/** Name of the operators and, where it is not the CPU, of what runs them: other hardware rounds otherwise. */
function loweringName({ lowering, executionProviders }: TrainRunOptions): string {
  const name = lowering.kind === 'nchwc' ? `nchwc${lowering.block}` : lowering.kind;
  return executionProviders === undefined ? name : `${name} on ${executionProviders.join(', ')}`;
}
