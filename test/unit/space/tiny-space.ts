import type { MobileNetV3Space } from '../../../src/space/types.js';

/** A small space of every feature, with few enough sub-networks to list them all. */
export function tinySpace(overrides: Partial<MobileNetV3Space> = {}): MobileNetV3Space {
  return {
    family: 'mobilenet-v3',
    id: 'tiny',
    inputChannels: 1,
    classes: 5,
    resolutions: [12, 16],
    kernelSizes: [3, 5],
    expandRatios: [2, 3],
    stem: { channels: 8, kernel: 3, stride: 2, activation: 'hSwish' },
    firstBlock: { channels: 8, kernel: 3, stride: 1, activation: 'relu', squeezeExcite: true },
    stages: [
      { channels: 16, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1, 2] },
      { channels: 24, stride: 1, activation: 'hSwish', squeezeExcite: true, depths: [1, 3] },
    ],
    finalExpand: { channels: 32, activation: 'hSwish' },
    featureMix: { channels: 40, activation: 'hSwish', bias: true },
    kernelTransform: true,
    bnEpsilon: 1e-5,
    ...overrides,
  };
}
