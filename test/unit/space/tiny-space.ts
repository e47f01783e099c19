import type { MobileNetV3Space, ResNetDSpace } from '../../../src/space/types.js';

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

/** A small ResNet-D-like space, with few enough sub-networks to list them all: 2 stems, (2 + 4) and (4 + 8) stages, 16 widths. */
export function tinyResNet(overrides: Partial<ResNetDSpace> = {}): ResNetDSpace {
  return {
    family: 'resnet-d',
    id: 'tiny-resnet',
    inputChannels: 3,
    classes: 5,
    resolutions: [17, 32],
    kernelSizes: [3],
    expandRatios: [0.25, 0.5],
    stem: { midWidths: [8, 16], widths: [8, 24], depths: [0, 1], activation: 'relu' },
    stages: [
      { widths: [32, 48], stride: 1, activation: 'relu', depths: [1, 2] },
      { widths: [48, 64], stride: 2, activation: 'relu', depths: [2, 3] },
    ],
    kernelTransform: false,
    bnEpsilon: 1e-5,
    ...overrides,
  };
}
