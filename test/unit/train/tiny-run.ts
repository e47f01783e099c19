import { makeRng } from '../../../src/common/rng.js';
import type { MobileNetV3Space } from '../../../src/space/types.js';
import { parseRecipe, type Recipe } from '../../../src/train/recipe.js';
import type { TrainRunOptions } from '../../../src/train/run.js';
import type { TrainingData } from '../../../src/train/training-data.js';

/** A space that trains in milliseconds per step, with every elastic dimension and every kind of layer. */
export const tinySpace: MobileNetV3Space = {
  family: 'mobilenet-v3',
  id: 'tiny',
  inputChannels: 1,
  classes: 3,
  resolutions: [8, 12],
  kernelSizes: [3, 5, 7],
  expandRatios: [2, 3],
  stem: { channels: 8, kernel: 3, stride: 1, activation: 'relu' },
  stages: [
    { channels: 8, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1, 2] },
    { channels: 16, stride: 2, activation: 'hSwish', squeezeExcite: true, depths: [1, 2] },
  ],
  featureMix: { channels: 16, activation: 'hSwish', bias: true },
  kernelTransform: true,
  bnEpsilon: 1e-5,
};

/** Three classes that can be told apart: a bright bar at the top, in the middle or at the bottom, on noise. */
function tinyData(): TrainingData {
  const count = 96;
  const side = 12;
  const rng = makeRng(11);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 3);
  const pixels = Uint8Array.from({ length: count * side * side }, (_, i) => {
    const image = Math.floor(i / (side * side));
    const row = Math.floor((i % (side * side)) / side);
    return Math.floor(row / 4) === labels[image] ? 200 + rng.int(56) : rng.int(60);
  });
  return {
    images: { count, height: side, width: side, channels: 1, pixels, labels },
    input: {
      channels: 1,
      channelOrder: 'grey',
      range: [0, 1],
      mean: [0.35],
      std: [0.4],
      resize: 'bilinear',
      antialias: true,
      cropFraction: 1,
    },
    train: Array.from({ length: 72 }, (_, i) => i),
    selection: Array.from({ length: 24 }, (_, i) => 72 + i),
  };
}

const PHASE = {
  batch: 8,
  largestEvery: 1,
  smallest: true,
  subnetsPerStep: 1,
  teacher: 'inplace',
  kdRatio: 0.5,
  lr: 0.05,
  finalLr: 0,
  warmup: 0.1,
  weightDecay: 1e-4,
  labelSmoothing: 0.05,
  augment: { flip: true, shift: 1, erase: 0.2, eraseUntil: 0.5 },
};

/** Two phases: a sandwich whose largest is trained every second step, then students of a frozen teacher. */
export function tinyRecipe(images = 96): Recipe {
  const recipe = {
    name: 'tiny',
    optimizer: { kind: 'sgd', momentum: 0.9 },
    clipNorm: 4,
    pool: { size: 2, replaceEvery: 2 },
    validateEvery: 64,
    phases: [
      { ...PHASE, name: 'sandwich', images, largestEvery: 2 },
      { ...PHASE, name: 'students', images: images / 2, teacher: 'frozen', largestEvery: 0, smallest: false },
    ],
  };
  return parseRecipe(JSON.stringify(recipe), 'tiny', tinySpace);
}

/** A run of the above into a folder. */
export function tinyRun(dir: string, overrides: Partial<TrainRunOptions> = {}): TrainRunOptions {
  return {
    space: tinySpace,
    recipe: tinyRecipe(),
    data: tinyData(),
    dir,
    seed: 5,
    workers: 1,
    lowering: { kind: 'standard' },
    resume: false,
    saveEveryMs: 0,
    ...overrides,
  };
}
