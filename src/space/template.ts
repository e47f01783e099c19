import { makeDivisible } from './layers.js';
import type { MobileNetV3Space, StageSpec } from './types.js';

export interface TemplateChoices {
  /** At least 2. */
  readonly classes: number;
  /** 1: grey, 3: RGB. */
  readonly channels: 1 | 3;
  /** Largest resolution, pixels, {@link TEMPLATE_SIZES}. */
  readonly size: number;
  readonly id?: string | undefined;
}

/** Sizes that the template is meant for, pixels. */
export const TEMPLATE_SIZES = { least: 8, most: 512 } as const;
/** From this size on the stem halves the image: full-size maps would take most of the time. */
const HALVING_STEM_FROM = 48;
/** Stages halve the map until its side is at most this; then one more keeps it. */
const LAST_MAP = 8;
/** Multiples of 16, which the fast training operators take. */
const STAGE_CHANNELS = [16, 32, 48, 64, 96, 128, 160, 192] as const;
/** Smaller resolutions as shares of the largest: those of 28 are 20 and 24. */
const SMALLER = [5 / 7, 6 / 7] as const;
/** Resolutions are multiples of this, as far as the largest is not the user's own. */
const RESOLUTION_STEP = 4;
/** Share of the stages, from the first on, that have the cheaper activation. Source: Howard et al. 2019, section 5.2 */
const RELU_SHARE = 0.6;
const FEATURES = 128;
/** Features for each class where there are many. */
const MANY_CLASSES = 64;

function resolutionsOf(size: number): number[] {
  const smaller = SMALLER.map((share) => Math.round((share * size) / RESOLUTION_STEP) * RESOLUTION_STEP);
  return [...new Set([...smaller.filter((side) => side >= TEMPLATE_SIZES.least && side < size), size])];
}

function stagesOf(stemMap: number): StageSpec[] {
  const strides: (1 | 2)[] = [];
  for (let map = stemMap; map > LAST_MAP; map = Math.ceil(map / 2)) strides.push(2);
  strides.push(1);
  if (strides.length === 1) strides.unshift(1); // a tiny image still gets two stages
  return strides.map((stride, index) => ({
    channels: STAGE_CHANNELS[Math.min(index, STAGE_CHANNELS.length - 1)]!,
    stride,
    activation: index < Math.ceil(RELU_SHARE * strides.length) ? 'relu' : 'hSwish',
    squeezeExcite: index > 0,
    depths: index === 0 ? [1, 2] : [1, 2, 3, 4],
  }));
}

/**
 * A search space to start from, for images of a size: of the form of the first supernet's (docs/adr/0007), which it is at 28 pixels, with as many
 * halving stages as the size asks for.
 */
export function templateSpace({ classes, channels, size, id }: TemplateChoices): MobileNetV3Space {
  const stride = size >= HALVING_STEM_FROM ? 2 : 1;
  return {
    family: 'mobilenet-v3',
    id: id ?? `${channels === 1 ? 'grey' : 'rgb'}${size}-${classes}`,
    inputChannels: channels,
    classes,
    resolutions: resolutionsOf(size),
    kernelSizes: [3, 5, 7],
    expandRatios: [3, 4, 6],
    stem: { channels: 16, kernel: 3, stride, activation: 'relu' },
    stages: stagesOf(Math.ceil(size / stride)),
    featureMix: {
      channels: classes <= MANY_CLASSES ? FEATURES : makeDivisible(Math.min(2 * classes, 4 * FEATURES)),
      activation: 'hSwish',
      bias: true,
    },
    kernelTransform: true,
    bnEpsilon: 1e-5,
  };
}
