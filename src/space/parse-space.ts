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
} from './json-reader.js';
import type { Activation, BottleneckStage, MobileNetV3Space, ResNetDSpace, SearchSpace, StageSpec } from './types.js';

const ACTIVATIONS = ['none', 'relu', 'relu6', 'hSwish'] as const satisfies readonly Activation[];
const ID_PATTERN = /^[a-z0-9][a-z0-9._-]{0,63}$/;

// The bounds keep what a file describes within what can be counted exactly (below 2^53) and held in memory.
const CHANNELS = wholeBetween(1, 16_384);
const CLASSES = wholeBetween(2, 100_000);
const RESOLUTION = wholeBetween(8, 4_096);
const DEPTH = wholeBetween(1, 32);
const STEM_DEPTH = wholeBetween(0, 1);
const MAX_STAGES = 16;
const MAX_KERNEL = 15;
const KERNEL: NumberRule = {
  words: `an odd whole number from 1 to ${MAX_KERNEL}`,
  holds: (value) => Number.isInteger(value) && value % 2 === 1 && value >= 1 && value <= MAX_KERNEL,
};
const EXPAND_RATIO: NumberRule = {
  words: 'a number above 1 and at most 16',
  holds: (value) => value > 1 && value <= 16,
};
const SHARE: NumberRule = { words: 'a number above 0 and at most 1', holds: (value) => value > 0 && value <= 1 };
const MAX_WIDTHS = 16;
const STRIDE: NumberRule = { words: '1 or 2', holds: (value) => value === 1 || value === 2 };
const EPSILON: NumberRule = { words: 'a number above 0 and below 1', holds: (value) => value > 0 && value < 1 };
/** The kernels that the learned transform chain 7 -> 5 -> 3 can make. */
const TRANSFORM_KERNELS: readonly number[] = [3, 5, 7];

const COMMON_MEMBERS = [
  'family',
  'id',
  'inputChannels',
  'classes',
  'resolutions',
  'kernelSizes',
  'expandRatios',
  'stem',
  'stages',
  'kernelTransform',
  'bnEpsilon',
];
const MEMBERS = {
  'mobilenet-v3': [...COMMON_MEMBERS, 'firstBlock', 'finalExpand', 'featureMix'],
  'resnet-d': COMMON_MEMBERS,
} as const satisfies Record<SearchSpace['family'], readonly string[]>;

function readStride(object: JsonObject): 1 | 2 {
  return readNumber(object, 'stride', STRIDE) === 1 ? 1 : 2;
}

function readConvPart(object: JsonObject): MobileNetV3Space['stem'] {
  return {
    channels: readNumber(object, 'channels', CHANNELS),
    kernel: readNumber(object, 'kernel', KERNEL),
    stride: readStride(object),
    activation: readChoice(object, 'activation', ACTIVATIONS),
  };
}

function readStage(value: unknown, where: string): StageSpec {
  const object = readObject(value, where, ['channels', 'stride', 'activation', 'squeezeExcite', 'depths']);
  return {
    channels: readNumber(object, 'channels', CHANNELS),
    stride: readStride(object),
    activation: readChoice(object, 'activation', ACTIVATIONS),
    squeezeExcite: readBoolean(object, 'squeezeExcite'),
    depths: readAscending(object, 'depths', DEPTH),
  };
}

function readFirstBlock(value: unknown, where: string): NonNullable<MobileNetV3Space['firstBlock']> {
  const object = readObject(value, where, ['channels', 'kernel', 'stride', 'activation', 'squeezeExcite']);
  return { ...readConvPart(object), squeezeExcite: readBoolean(object, 'squeezeExcite') };
}

function readFinalExpand(value: unknown, where: string): NonNullable<MobileNetV3Space['finalExpand']> {
  const object = readObject(value, where, ['channels', 'activation']);
  return {
    channels: readNumber(object, 'channels', CHANNELS),
    activation: readChoice(object, 'activation', ACTIVATIONS),
  };
}

function readFeatureMix(value: unknown, where: string): NonNullable<MobileNetV3Space['featureMix']> {
  const object = readObject(value, where, ['channels', 'activation', 'bias']);
  return {
    channels: readNumber(object, 'channels', CHANNELS),
    activation: readChoice(object, 'activation', ACTIVATIONS),
    bias: readBoolean(object, 'bias'),
  };
}

function readKernels(space: JsonObject, kernelTransform: boolean): number[] {
  const kernelSizes = readAscending(space, 'kernelSizes', KERNEL);
  if (kernelTransform && !kernelSizes.every((kernel) => TRANSFORM_KERNELS.includes(kernel))) {
    refuseJson(`${space.where}: kernelSizes`, 'out of 3, 5, 7 where kernelTransform is true', kernelSizes);
  }
  return kernelSizes;
}

/** The parts a space may lack: each is read only where the file has it. */
function readOptionalParts(space: JsonObject): Pick<MobileNetV3Space, 'firstBlock' | 'finalExpand' | 'featureMix'> {
  const { firstBlock, finalExpand, featureMix } = space.members;
  const at = (key: string): string => `${space.where}: ${key}`;
  return {
    ...(firstBlock === undefined ? {} : { firstBlock: readFirstBlock(firstBlock, at('firstBlock')) }),
    ...(finalExpand === undefined ? {} : { finalExpand: readFinalExpand(finalExpand, at('finalExpand')) }),
    ...(featureMix === undefined ? {} : { featureMix: readFeatureMix(featureMix, at('featureMix')) }),
  };
}

/** Elastic widths: they may repeat, as the published ones do, but never fall. */
function readWidths(object: JsonObject, key: string): number[] {
  const widths = readList(object, key, MAX_WIDTHS).map((value) => (typeof value === 'number' ? value : Number.NaN));
  if (widths.every((width, at) => CHANNELS.holds(width) && width >= (widths[at - 1] ?? 0))) return widths;
  return refuseJson(`${object.where}: ${key}`, `a list that never falls, each entry ${CHANNELS.words}`, widths);
}

function readBottleneckStage(value: unknown, where: string): BottleneckStage {
  const object = readObject(value, where, ['widths', 'stride', 'activation', 'depths']);
  return {
    widths: readWidths(object, 'widths'),
    stride: readStride(object),
    activation: readChoice(object, 'activation', ACTIVATIONS),
    depths: readAscending(object, 'depths', DEPTH),
  };
}

type Common = Omit<SearchSpace, 'family' | 'stem' | 'stages'>;

function readMobileNetV3(space: JsonObject, common: Common): MobileNetV3Space {
  const stem = readObject(space.members.stem, `${space.where}: stem`, ['channels', 'kernel', 'stride', 'activation']);
  return {
    ...common,
    family: 'mobilenet-v3',
    stem: readConvPart(stem),
    stages: readList(space, 'stages', MAX_STAGES).map((stage, index) =>
      readStage(stage, `${space.where}: stages[${index}]`),
    ),
    ...readOptionalParts(space),
  };
}

function readResNetD(space: JsonObject, common: Common): ResNetDSpace {
  const stem = readObject(space.members.stem, `${space.where}: stem`, ['midWidths', 'widths', 'depths', 'activation']);
  if (common.kernelSizes.length > 1) {
    refuseJson(`${space.where}: kernelSizes`, 'a list of one: dense kernels are not elastic', common.kernelSizes);
  }
  if (common.kernelTransform) refuseJson(`${space.where}: kernelTransform`, 'false in this family', true);
  return {
    ...common,
    family: 'resnet-d',
    stem: {
      midWidths: readWidths(stem, 'midWidths'),
      widths: readWidths(stem, 'widths'),
      depths: readAscending(stem, 'depths', STEM_DEPTH),
      activation: readChoice(stem, 'activation', ACTIVATIONS),
    },
    stages: readList(space, 'stages', MAX_STAGES).map((stage, index) =>
      readBottleneckStage(stage, `${space.where}: stages[${index}]`),
    ),
  };
}

/**
 * Reads a search space from JSON, checking every member.
 * @param json a parsed JSON value
 * @param where what error sentences call it, a file's name say
 * @throws BespokeError `invalid-request` with one sentence: the member, the rule, what was given
 */
export function parseSpace(json: unknown, where: string): SearchSpace {
  const family = readChoice(readObject(json, where), 'family', ['mobilenet-v3', 'resnet-d']);
  const space = readObject(json, where, MEMBERS[family]);
  const id = space.members.id;
  if (typeof id !== 'string' || !ID_PATTERN.test(id)) {
    refuseJson(`${where}: id`, 'lower-case letters, digits, ".", "_" and "-", at most 64 characters', id);
  }
  const kernelTransform = readBoolean(space, 'kernelTransform');
  const isResNetD = family === 'resnet-d';
  const common: Common = {
    id,
    inputChannels: readNumber(space, 'inputChannels', CHANNELS),
    classes: readNumber(space, 'classes', CLASSES),
    resolutions: readAscending(space, 'resolutions', RESOLUTION),
    kernelSizes: readKernels(space, kernelTransform),
    expandRatios: readAscending(space, 'expandRatios', isResNetD ? SHARE : EXPAND_RATIO),
    kernelTransform,
    bnEpsilon: readNumber(space, 'bnEpsilon', EPSILON),
  };
  return isResNetD ? readResNetD(space, common) : readMobileNetV3(space, common);
}
