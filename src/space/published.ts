import type { MobileNetV3Space, ResNetDSpace, SearchSpace } from './types.js';

/** Sides of square inputs in steps of 4 pixels, both ends included. */
function everyFourth(from: number, to: number): number[] {
  return Array.from({ length: (to - from) / 4 + 1 }, (_, step) => from + 4 * step);
}

interface MobileNetV3Widths {
  readonly id: string;
  readonly stem: number;
  readonly stages: readonly [number, number, number, number, number];
  readonly finalExpand: number;
  readonly featureMix: number;
  readonly resolutions: readonly number[];
}

/** OFAMobileNetV3 at a width. Source: Cai et al. 2020; the published code's `ofa_mbv3.py` */
function mobileNetV3(widths: MobileNetV3Widths): MobileNetV3Space {
  const [s1, s2, s3, s4, s5] = widths.stages;
  const depths = [2, 3, 4];
  return {
    family: 'mobilenet-v3',
    id: widths.id,
    inputChannels: 3,
    classes: 1000,
    resolutions: widths.resolutions,
    kernelSizes: [3, 5, 7],
    expandRatios: [3, 4, 6],
    stem: { channels: widths.stem, kernel: 3, stride: 2, activation: 'hSwish' },
    firstBlock: { channels: widths.stem, kernel: 3, stride: 1, activation: 'relu', squeezeExcite: false },
    stages: [
      { channels: s1, stride: 2, activation: 'relu', squeezeExcite: false, depths },
      { channels: s2, stride: 2, activation: 'relu', squeezeExcite: true, depths },
      { channels: s3, stride: 2, activation: 'hSwish', squeezeExcite: false, depths },
      { channels: s4, stride: 1, activation: 'hSwish', squeezeExcite: true, depths },
      { channels: s5, stride: 2, activation: 'hSwish', squeezeExcite: true, depths },
    ],
    finalExpand: { channels: widths.finalExpand, activation: 'hSwish' },
    featureMix: { channels: widths.featureMix, activation: 'hSwish', bias: false },
    kernelTransform: true,
    bnEpsilon: 1e-5,
  };
}

/** OFAProxylessNASNets at width 1.3: no squeeze-excite, and what it calls its feature mix is a convolution before the pool. */
function proxylessNas(): MobileNetV3Space {
  const common = { activation: 'relu6', squeezeExcite: false } as const;
  const depths = [2, 3, 4];
  return {
    family: 'mobilenet-v3',
    id: 'ofa-proxyless-w1.3',
    inputChannels: 3,
    classes: 1000,
    resolutions: everyFourth(128, 224),
    kernelSizes: [3, 5, 7],
    expandRatios: [3, 4, 6],
    stem: { channels: 40, kernel: 3, stride: 2, activation: 'relu6' },
    firstBlock: { channels: 24, kernel: 3, stride: 1, ...common },
    stages: [
      { channels: 32, stride: 2, ...common, depths },
      { channels: 56, stride: 2, ...common, depths },
      { channels: 104, stride: 2, ...common, depths },
      { channels: 128, stride: 1, ...common, depths },
      { channels: 248, stride: 2, ...common, depths },
      { channels: 416, stride: 1, ...common, depths: [1] },
    ],
    finalExpand: { channels: 1664, activation: 'relu6' },
    kernelTransform: true,
    bnEpsilon: 1e-3,
  };
}

/** OFAResNets, a ResNet50-D. Its resolutions are those that its published accuracy predictor knows. */
function resNet50(): ResNetDSpace {
  const activation = 'relu';
  return {
    family: 'resnet-d',
    id: 'ofa-resnet50',
    inputChannels: 3,
    classes: 1000,
    resolutions: [128, 144, 160, 176, 192, 224, 240, 256],
    kernelSizes: [3],
    expandRatios: [0.2, 0.25, 0.35],
    stem: { midWidths: [24, 24, 32], widths: [40, 48, 64], depths: [0, 1], activation },
    stages: [
      { widths: [168, 208, 256], stride: 1, activation, depths: [2, 3, 4] },
      { widths: [336, 408, 512], stride: 2, activation, depths: [2, 3, 4] },
      { widths: [664, 816, 1024], stride: 2, activation, depths: [4, 5, 6] },
      { widths: [1328, 1640, 2048], stride: 2, activation, depths: [2, 3, 4] },
    ],
    kernelTransform: false,
    bnEpsilon: 1e-5,
  };
}

/**
 * The search spaces of the published ImageNet supernets, for 1,000 classes of RGB images.
 * Source: Cai et al. 2020 and the published code, mit-han-lab/once-for-all
 */
export const PUBLISHED_SPACES: readonly SearchSpace[] = [
  mobileNetV3({
    id: 'ofa-mbv3-w1.0',
    stem: 16,
    stages: [24, 40, 80, 112, 160],
    finalExpand: 960,
    featureMix: 1280,
    resolutions: everyFourth(128, 224),
  }),
  mobileNetV3({
    id: 'ofa-mbv3-w1.2',
    stem: 24,
    stages: [32, 48, 96, 136, 192],
    finalExpand: 1152,
    featureMix: 1536,
    resolutions: everyFourth(160, 224),
  }),
  proxylessNas(),
  resNet50(),
];
