import { maxArch } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import { makeDivisible } from '../../src/space/layers.js';
import type { Arch, SearchSpace } from '../../src/space/types.js';

/** A network that people designed, at a width that gives it so many MACs. */
export interface HandDesigned {
  readonly space: SearchSpace;
  readonly arch: Arch;
  readonly macs: number;
  readonly widthMultiplier: number;
}

/** Blocks of MobileNetV3-Small after its first: kernel, hidden and output channels of each. Source: Howard et al. 2019, table 2 */
const STAGES = [
  { channels: 24, stride: 1, activation: 'relu', squeezeExcite: false, kernel: 3, hidden: [72, 88] },
  { channels: 40, stride: 2, activation: 'hSwish', squeezeExcite: true, kernel: 5, hidden: [96, 240, 240] },
  { channels: 48, stride: 1, activation: 'hSwish', squeezeExcite: true, kernel: 5, hidden: [120, 144] },
  { channels: 96, stride: 2, activation: 'hSwish', squeezeExcite: true, kernel: 5, hidden: [288, 576, 576] },
] as const;

/** The published expand ratios, block by block: hidden channels over the channels that come in. */
const EXPAND_RATIOS = STAGES.flatMap(({ channels, hidden }, stage) =>
  hidden.map((width, block) => width / (block > 0 ? channels : (STAGES[stage - 1]?.channels ?? 16))),
);

/** What the network has to do; the same for every network that it is compared with. */
export type Task = Pick<SearchSpace, 'inputChannels' | 'classes' | 'bnEpsilon'>;

/**
 * MobileNetV3-Small with two of its five strides of 2 taken out, as images of about 28 pixels have no room for more.
 * @param headMultiplier of the two layers before the classifier; as the body's unless told
 */
export function mobileNetV3SmallAt(
  task: Task & { readonly resolution: number },
  multiplier: number,
  headMultiplier = multiplier,
): HandDesigned {
  const wide = (channels: number, by = multiplier): number => makeDivisible(channels * by);
  const { inputChannels, classes, bnEpsilon, resolution } = task;
  const space: SearchSpace = {
    family: 'mobilenet-v3',
    id: `mobilenet-v3-small-x${multiplier.toFixed(2)}-h${headMultiplier.toFixed(2)}`,
    ...{ inputChannels, classes, bnEpsilon },
    resolutions: [resolution],
    kernelSizes: [3, 5],
    expandRatios: [...new Set(EXPAND_RATIOS)].sort((a, b) => a - b),
    stem: { channels: wide(16), kernel: 3, stride: 1, activation: 'hSwish' },
    firstBlock: { channels: wide(16), kernel: 3, stride: 2, activation: 'relu', squeezeExcite: true },
    stages: STAGES.map(({ channels, stride, activation, squeezeExcite, hidden }) => ({
      ...{ channels: wide(channels), stride, activation, squeezeExcite },
      depths: [hidden.length],
    })),
    finalExpand: { channels: wide(576, headMultiplier), activation: 'hSwish' },
    featureMix: { channels: wide(1024, headMultiplier), activation: 'hSwish', bias: true },
    kernelTransform: false,
  };
  const arch: Arch = {
    ...maxArch(space),
    kernelSizes: STAGES.flatMap(({ kernel, hidden }) => hidden.map(() => kernel)),
    expandRatios: EXPAND_RATIOS,
  };
  return { space, arch, macs: archCosts(space, arch).macs, widthMultiplier: multiplier };
}

/** Width multipliers that are tried: 0.05, 0.07, … 1.99. */
const MULTIPLIERS = Array.from({ length: 98 }, (_, i) => (2 * i + 5) / 100);
/** The head's width over the body's: channels come in eights, so the body alone has few MACs to choose among where it is narrow. */
const HEADS = [1, 0.9, 1.1, 0.8, 1.2] as const;
/** Closer to the MACs wanted than this share counts as equal. */
const EQUAL = 0.02;

/**
 * MobileNetV3-Small at a width and an input size whose MACs are nearest to those wanted; of several that are equal the one that sees the largest images.
 * @param resolutions to choose from, pixels
 */
export function mobileNetV3Small(task: Task, macs: number, resolutions: readonly number[]): HandDesigned {
  const nets = [...resolutions]
    .sort((a, b) => b - a)
    .flatMap((resolution) =>
      MULTIPLIERS.flatMap((body) =>
        HEADS.map((head) => mobileNetV3SmallAt({ ...task, resolution }, body, body * head)),
      ),
    );
  const distance = (net: HandDesigned): number => Math.max(EQUAL, Math.abs(net.macs / macs - 1));
  return nets.reduce((best, net) => (distance(net) < distance(best) ? net : best));
}
