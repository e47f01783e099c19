import {
  type JsonObject,
  type NumberRule,
  readAscending,
  readBoolean,
  readChoice,
  readList,
  readNumber,
  readObject,
  refuseJson,
  wholeBetween,
} from '../space/json-reader.js';
import { readJsonText } from '../space/json-text.js';
import type { SearchSpace } from '../space/types.js';

/**
 * Where a student's soft targets come from: nowhere, the largest net of the same step,
 * or the largest net with the weights it had when the first phase with a frozen teacher began.
 */
export type Teacher = 'none' | 'inplace' | 'frozen';

/** Which choices of the space a phase samples from; the largest of each is always among them. */
export interface ElasticChoices {
  readonly kernelSizes: readonly number[];
  readonly expandRatios: readonly number[];
  /** Per stage. */
  readonly depths: readonly (readonly number[])[];
  readonly resolutions: readonly number[];
}

/** How training images are varied; erasing stops after a share of the phase, so that the end sees whole images. */
export interface AugmentChoices {
  readonly flip: boolean;
  /** Pixels. */
  readonly shift: number;
  /** Probability 0..1. */
  readonly erase: number;
  /** Share 0..1 of the phase's steps with erasing. */
  readonly eraseUntil: number;
}

/** A stretch of training with one set of choices and one learning-rate curve. */
export interface Phase {
  readonly name: string;
  /** Images seen, over all workers; rounded up to whole steps. */
  readonly images: number;
  /** Images per worker and step. */
  readonly batch: number;
  /** The largest net of the phase's choices is trained every so many steps (1: every step); 0: never. */
  readonly largestEvery: number;
  /** Whether the smallest net is trained every step. */
  readonly smallest: boolean;
  /** Random sub-networks per worker and step. */
  readonly subnetsPerStep: number;
  /**
   * Share 0..1 of the random sub-networks that are drawn from a front that the run is given, uniformly over its range of MACs, instead of from the
   * elastic choices: attention on the networks that will be cut out (AttentiveNAS, Wang et al. 2021, section 3.2).
   */
  readonly frontShare?: number;
  readonly elastic: ElasticChoices;
  /** Hidden channels are sorted by importance before the phase's first step, so that narrower nets keep the important ones. */
  readonly sortChannels?: true;
  readonly teacher: Teacher;
  /** Weight of the teacher's part of a student's targets, 0..1. */
  readonly kdRatio: number;
  /** Peak and final learning rate; cosine between them. */
  readonly lr: number;
  readonly finalLr: number;
  /** Share 0..1 of the phase's steps with linear warm-up. */
  readonly warmup: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly augment: AugmentChoices;
}

/**
 * How gradients become updates. `momentum` is Nesterov momentum, `beta1` and `beta2` are AdamW's decay rates, all 0..1.
 * `muon` takes Muon for the matrices, at `matrixLrScale` times the learning rate, and AdamW for all else.
 */
export type OptimizerChoice =
  | { readonly kind: 'sgd'; readonly momentum: number }
  | { readonly kind: 'adamw'; readonly beta1: number; readonly beta2: number }
  | {
      readonly kind: 'muon';
      readonly momentum: number;
      readonly matrixLrScale: number;
      readonly beta1: number;
      readonly beta2: number;
    };

/** How a supernet is trained, as data. */
export interface Recipe {
  readonly name: string;
  readonly optimizer: OptimizerChoice;
  readonly clipNorm: number;
  /** Decay 0..1 per step of the exponential moving average of the weights that the run ends with; absent: the last weights. */
  readonly ema?: number;
  /** Live sessions of random sub-networks per worker, and after how many steps the oldest is replaced by a new net. */
  readonly pool: { readonly size: number; readonly replaceEvery: number };
  /** Images between two validations. */
  readonly validateEvery: number;
  readonly phases: readonly Phase[];
}

const RECIPE_KEYS = ['name', 'optimizer', 'clipNorm', 'ema', 'pool', 'validateEvery', 'phases'] as const;
const PHASE_KEYS = [
  'name',
  'images',
  'batch',
  'largestEvery',
  'smallest',
  'subnetsPerStep',
  'frontShare',
  'elastic',
  'sortChannels',
  'teacher',
  'kdRatio',
  'lr',
  'finalLr',
  'warmup',
  'weightDecay',
  'labelSmoothing',
  'augment',
] as const;
const AUGMENT_KEYS = ['flip', 'shift', 'erase', 'eraseUntil'] as const;
const ELASTIC_KEYS = ['kernelSizes', 'expandRatios', 'depths', 'resolutions'] as const;

const SHARE: NumberRule = { words: 'a number from 0 to 1', holds: (value) => value >= 0 && value <= 1 };
const BELOW_ONE: NumberRule = { words: 'a number from 0 to below 1', holds: (value) => value >= 0 && value < 1 };
const POSITIVE: NumberRule = { words: 'a number above 0', holds: (value) => value > 0 && Number.isFinite(value) };
const NOT_NEGATIVE: NumberRule = { words: 'a number of 0 or more', holds: (value) => value >= 0 && value < 1e6 };
const IMAGE_COUNT = wholeBetween(1, 1e10);

function readName(object: JsonObject): string {
  const { name } = object.members;
  if (typeof name === 'string' && name !== '') return name;
  return refuseJson(`${object.where}: name`, 'a text that is not empty', name);
}

/** Reads a list of choices: absent means all of the space's; else an ascending part of them with the largest. */
function readChoices(object: JsonObject, key: string, all: readonly number[]): readonly number[] {
  if (object.members[key] === undefined) return all;
  const largest = all[all.length - 1]!;
  const words = `one of the space's ${all.join(', ')}`;
  const chosen = readAscending(object, key, { words, holds: (value) => all.includes(value) });
  if (chosen.includes(largest)) return chosen;
  return refuseJson(`${object.where}: ${key}`, `a list with the space's largest, ${largest}`, chosen);
}

function readDepths(object: JsonObject, space: SearchSpace): readonly (readonly number[])[] {
  if (object.members.depths === undefined) return space.stages.map((stage) => stage.depths);
  const lists = readList(object, 'depths', space.stages.length);
  if (lists.length !== space.stages.length) {
    refuseJson(`${object.where}: depths`, `a list of ${space.stages.length} lists, one per stage`, lists);
  }
  return lists.map((list, stage) => {
    const holder: JsonObject = { where: `${object.where}: depths`, members: { [stage]: list } };
    return readChoices(holder, String(stage), space.stages[stage]!.depths);
  });
}

function readElastic(phase: JsonObject, space: SearchSpace): ElasticChoices {
  const object = readObject(phase.members.elastic ?? {}, `${phase.where}.elastic`, ELASTIC_KEYS);
  return {
    kernelSizes: readChoices(object, 'kernelSizes', space.kernelSizes),
    expandRatios: readChoices(object, 'expandRatios', space.expandRatios),
    depths: readDepths(object, space),
    resolutions: readChoices(object, 'resolutions', space.resolutions),
  };
}

const OPTIMIZER_KEYS = {
  sgd: ['kind', 'momentum'],
  adamw: ['kind', 'beta1', 'beta2'],
  muon: ['kind', 'momentum', 'matrixLrScale', 'beta1', 'beta2'],
} as const;

function readOptimizer(value: unknown, where: string): OptimizerChoice {
  const kinds = ['sgd', 'adamw', 'muon'] as const;
  const kind = readChoice(readObject(value, where, OPTIMIZER_KEYS.muon), 'kind', kinds);
  const object = readObject(value, where, OPTIMIZER_KEYS[kind]);
  if (kind === 'sgd') return { kind, momentum: readNumber(object, 'momentum', SHARE) };
  const betas = { beta1: readNumber(object, 'beta1', BELOW_ONE), beta2: readNumber(object, 'beta2', BELOW_ONE) };
  if (kind === 'adamw') return { kind, ...betas };
  const momentum = readNumber(object, 'momentum', SHARE);
  return { kind, momentum, matrixLrScale: readNumber(object, 'matrixLrScale', POSITIVE), ...betas };
}

function readAugment(phase: JsonObject): AugmentChoices {
  const object = readObject(phase.members.augment, `${phase.where}.augment`, AUGMENT_KEYS);
  return {
    flip: readBoolean(object, 'flip'),
    shift: readNumber(object, 'shift', wholeBetween(0, 64)),
    erase: readNumber(object, 'erase', SHARE),
    eraseUntil: readNumber(object, 'eraseUntil', SHARE),
  };
}

/** The rules that tie fields together. */
function checkPhase(phase: Phase, where: string): Phase {
  if (phase.largestEvery === 0 && !phase.smallest && phase.subnetsPerStep === 0) {
    refuseJson(where, 'a phase that trains something: largestEvery, smallest or subnetsPerStep', phase.name);
  }
  if (phase.teacher === 'none' && phase.kdRatio !== 0)
    refuseJson(`${where}: kdRatio`, '0 without a teacher', phase.kdRatio);
  if (phase.frontShare !== undefined && phase.subnetsPerStep === 0)
    refuseJson(`${where}: frontShare`, 'absent where subnetsPerStep is 0', phase.frontShare);
  if (phase.finalLr > phase.lr) refuseJson(`${where}: finalLr`, `at most lr, ${phase.lr}`, phase.finalLr);
  return phase;
}

function readPhase(value: unknown, where: string, space: SearchSpace): Phase {
  const object = readObject(value, where, PHASE_KEYS);
  const phase: Phase = {
    name: readName(object),
    images: readNumber(object, 'images', IMAGE_COUNT),
    batch: readNumber(object, 'batch', wholeBetween(2, 4096)), // batch statistics need more than one image
    largestEvery: readNumber(object, 'largestEvery', wholeBetween(0, 1000)),
    smallest: readBoolean(object, 'smallest'),
    subnetsPerStep: readNumber(object, 'subnetsPerStep', wholeBetween(0, 64)),
    ...(object.members.frontShare !== undefined && { frontShare: readNumber(object, 'frontShare', SHARE) }),
    elastic: readElastic(object, space),
    ...(object.members.sortChannels !== undefined && readBoolean(object, 'sortChannels') && { sortChannels: true }),
    teacher: readChoice(object, 'teacher', ['none', 'inplace', 'frozen']),
    kdRatio: readNumber(object, 'kdRatio', SHARE),
    lr: readNumber(object, 'lr', POSITIVE),
    finalLr: readNumber(object, 'finalLr', NOT_NEGATIVE),
    warmup: readNumber(object, 'warmup', SHARE),
    weightDecay: readNumber(object, 'weightDecay', NOT_NEGATIVE),
    labelSmoothing: readNumber(object, 'labelSmoothing', SHARE),
    augment: readAugment(object),
  };
  return checkPhase(phase, where);
}

/**
 * Reads a recipe file and checks it against the space that is to be trained.
 * @param text JSON
 * @param where what errors call it, such as its path
 * @throws BespokeError `invalid-request` with the line, and the syntax error or the field, its rule and what was given
 */
export function parseRecipe(text: string, where: string, space: SearchSpace): Recipe {
  return readJsonText(text, where, (value) => readRecipe(value, where, space));
}

function readRecipe(value: unknown, where: string, space: SearchSpace): Recipe {
  const object = readObject(value, where, RECIPE_KEYS);
  const pool = readObject(object.members.pool, `${where}: pool`, ['size', 'replaceEvery']);
  const phases = readList(object, 'phases', 64).map((value, i) => readPhase(value, `${where}: phases[${i}]`, space));
  const size = readNumber(pool, 'size', wholeBetween(1, 256));
  const busiest = Math.max(...phases.map((phase) => phase.subnetsPerStep));
  if (size < busiest) refuseJson(`${where}: pool: size`, `at least the largest subnetsPerStep, ${busiest}`, size);
  return {
    name: readName(object),
    optimizer: readOptimizer(object.members.optimizer, `${where}: optimizer`),
    clipNorm: readNumber(object, 'clipNorm', POSITIVE),
    ...(object.members.ema !== undefined && { ema: readNumber(object, 'ema', BELOW_ONE) }),
    pool: { size, replaceEvery: readNumber(pool, 'replaceEvery', wholeBetween(1, 1_000_000)) },
    validateEvery: readNumber(object, 'validateEvery', IMAGE_COUNT),
    phases,
  };
}

/** The same recipe with its phases stretched or shortened to so many images in all, in proportion; at least 1 per phase. */
export function scaleRecipe(recipe: Recipe, images: number): Recipe {
  const total = recipe.phases.reduce((sum, phase) => sum + phase.images, 0);
  const phases = recipe.phases.map((phase) => ({
    ...phase,
    images: Math.max(1, Math.round((phase.images * images) / total)),
  }));
  return { ...recipe, phases };
}
