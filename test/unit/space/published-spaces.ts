import { readFileSync } from 'node:fs';
import { parseSpace } from '../../../src/space/parse-space.js';
import type { MobileNetV3Space, SearchSpace } from '../../../src/space/types.js';

const STAGES = [
  { stride: 2, activation: 'relu', squeezeExcite: false },
  { stride: 2, activation: 'relu', squeezeExcite: true },
  { stride: 2, activation: 'hSwish', squeezeExcite: false },
  { stride: 1, activation: 'hSwish', squeezeExcite: true },
  { stride: 2, activation: 'hSwish', squeezeExcite: true },
] as const;

interface Widths {
  readonly id: string;
  readonly stem: number;
  readonly stages: readonly number[];
  readonly finalExpand: number;
  readonly featureMix: number;
  readonly minResolution: number;
}

function publishedSpace(widths: Widths): MobileNetV3Space {
  const resolutions: number[] = [];
  for (let side = widths.minResolution; side <= 224; side += 4) resolutions.push(side);
  return {
    family: 'mobilenet-v3',
    id: widths.id,
    inputChannels: 3,
    classes: 1000,
    resolutions,
    kernelSizes: [3, 5, 7],
    expandRatios: [3, 4, 6],
    stem: { channels: widths.stem, kernel: 3, stride: 2, activation: 'hSwish' },
    firstBlock: { channels: widths.stem, kernel: 3, stride: 1, activation: 'relu', squeezeExcite: false },
    stages: STAGES.map((stage, index) => ({ ...stage, channels: widths.stages[index] as number, depths: [2, 3, 4] })),
    finalExpand: { channels: widths.finalExpand, activation: 'hSwish' },
    featureMix: { channels: widths.featureMix, activation: 'hSwish', bias: false },
    kernelTransform: true,
    bnEpsilon: 1e-5,
  };
}

/** The published OFAMobileNetV3 at width 1.0. */
export const MBV3_W10 = publishedSpace({
  id: 'ofa-mbv3-w1.0',
  stem: 16,
  stages: [24, 40, 80, 112, 160],
  finalExpand: 960,
  featureMix: 1280,
  minResolution: 128,
});

/** The published OFAMobileNetV3 at width 1.2. */
export const MBV3_W12 = publishedSpace({
  id: 'ofa-mbv3-w1.2',
  stem: 24,
  stages: [32, 48, 96, 136, 192],
  finalExpand: 1152,
  featureMix: 1536,
  minResolution: 160,
});

/** The search space of the bundled supernet. */
export function bundledSpace(): SearchSpace {
  const file = 'models/fashion-mnist/space.json';
  return parseSpace(JSON.parse(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')), file);
}
