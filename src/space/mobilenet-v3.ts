import { invariant } from '../common/invariant.js';
import {
  type BlockPosition,
  convLayer,
  type FeatureMap,
  hiddenChannels,
  linearLayer,
  outputOf,
  poolLayer,
  squeezeExciteLayer,
} from './layers.js';
import { slotsPerStage } from './slots.js';
import type { Activation, Arch, LayerSpec, MobileNetV3Space } from './types.js';

interface BlockChoice {
  /** Prefix of the block's layer names: `first` or `stages.S.blocks.B`. */
  readonly name: string;
  /** Hidden channels; equal to the input's and without an expand convolution when `expands` is false. */
  readonly hidden: number;
  readonly expands: boolean;
  readonly outChannels: number;
  readonly kernel: number;
  readonly stride: 1 | 2;
  readonly activation: Activation;
  readonly squeezeExcite: boolean;
  readonly slot?: BlockPosition;
}

/** An inverted residual block; the identity shortcut is there iff it changes neither size nor channels. */
function lowerBlock(from: FeatureMap, block: BlockChoice): LayerSpec[] {
  const { name, hidden, kernel, stride, activation, outChannels, slot } = block;
  const layers: LayerSpec[] = [];
  let map = from;
  const push = (layer: LayerSpec): void => {
    layers.push(layer);
    map = outputOf(layer);
  };
  if (block.expands) {
    const expand = { name: `${name}.expand`, op: 'conv', outChannels: hidden, kernel: 1, stride: 1 } as const;
    push(convLayer(map, { ...expand, activation, slot }));
  }
  const depthwise = { name: `${name}.depthwise`, op: 'depthwise', outChannels: hidden } as const;
  push(convLayer(map, { ...depthwise, kernel, stride, activation, slot }));
  if (block.squeezeExcite) push(squeezeExciteLayer(map, `${name}.se`, slot));
  const addFrom = stride === 1 && from.channels === outChannels ? from.name : undefined;
  const project = { name: `${name}.project`, op: 'conv', kernel: 1, stride: 1, activation: 'none' } as const;
  push(convLayer(map, { ...project, outChannels, addFrom, slot }));
  return layers;
}

/** The classifier's side of the network: optional final expand, pool, optional feature mix, classifier. */
function lowerHead(space: MobileNetV3Space, from: FeatureMap): LayerSpec[] {
  const layers: LayerSpec[] = [];
  let map = from;
  const push = (layer: LayerSpec): void => {
    layers.push(layer);
    map = outputOf(layer);
  };
  if (space.finalExpand !== undefined) {
    const { channels, activation } = space.finalExpand;
    const finalExpand = { name: 'finalExpand', op: 'conv', kernel: 1, stride: 1 } as const;
    push(convLayer(map, { ...finalExpand, outChannels: channels, activation }));
  }
  push(poolLayer(map, 'pool'));
  if (space.featureMix !== undefined) {
    const { channels, bias, activation } = space.featureMix;
    push(linearLayer(map, { name: 'featureMix', outChannels: channels, bias, activation }));
  }
  push(linearLayer(map, { name: 'classifier', outChannels: space.classes, bias: true, activation: 'none' }));
  return layers;
}

/** The stem convolution and, where the space has one, the fixed first block of expand ratio 1. */
function lowerStem(space: MobileNetV3Space, resolution: number): LayerSpec[] {
  const image: FeatureMap = { name: 'input', channels: space.inputChannels, size: resolution };
  const { channels, kernel, stride, activation } = space.stem;
  const stem = convLayer(image, { name: 'stem', op: 'conv', outChannels: channels, kernel, stride, activation });
  if (space.firstBlock === undefined) return [stem];
  const { channels: outChannels, ...rest } = space.firstBlock;
  const first = { ...rest, name: 'first', outChannels, hidden: channels, expands: false };
  return [stem, ...lowerBlock(outputOf(stem), first)];
}

/**
 * The layers of a MobileNetV3-like architecture; see `lower`.
 * @returns layers named `stem`, `first.*`, `stages.S.blocks.B.expand|depthwise|se|project`, `finalExpand`, `pool`, `featureMix`, `classifier`
 * Source: Howard et al. 2019, section 5; Cai et al. 2020, section 3.2
 */
export function lowerMobileNetV3(space: MobileNetV3Space, arch: Arch): LayerSpec[] {
  const layers = lowerStem(space, arch.resolution);
  let firstSlot = 0;
  space.stages.forEach((stage, stageIndex) => {
    const depth = arch.depths[stageIndex] ?? 0;
    for (let blockIndex = 0; blockIndex < depth; blockIndex++) {
      const kernel = arch.kernelSizes[firstSlot + blockIndex];
      const expandRatio = arch.expandRatios[firstSlot + blockIndex];
      invariant(
        kernel !== undefined && expandRatio !== undefined,
        () => `arch has no entry for ${stageIndex}.${blockIndex}`,
      );
      const from = outputOf(layers[layers.length - 1]!);
      layers.push(
        ...lowerBlock(from, {
          name: `stages.${stageIndex}.blocks.${blockIndex}`,
          hidden: hiddenChannels(from.channels, expandRatio),
          expands: true,
          outChannels: stage.channels,
          kernel,
          stride: blockIndex === 0 ? stage.stride : 1,
          activation: stage.activation,
          squeezeExcite: stage.squeezeExcite,
          slot: { stageIndex, blockIndex },
        }),
      );
    }
    firstSlot += slotsPerStage(stage);
  });
  layers.push(...lowerHead(space, outputOf(layers[layers.length - 1]!)));
  return layers;
}
