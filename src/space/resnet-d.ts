import { invariant } from '../common/invariant.js';
import {
  type BlockPosition,
  bottleneckChannels,
  convLayer,
  type FeatureMap,
  linearLayer,
  outputOf,
  poolLayer,
  windowPoolLayer,
} from './layers.js';
import { slotsPerStage } from './slots.js';
import type { Arch, BottleneckStage, LayerSpec, ResNetDSpace } from './types.js';

/** What an arch must hold at an active place. */
function chosen(values: readonly number[] | undefined, index: number, what: string): number {
  const value = values?.[index];
  invariant(value !== undefined, () => `the arch has no ${what} ${index}`);
  return value;
}

/** Two 3x3 convolutions, between them a third with an identity shortcut where the arch has it, and the max pool. */
function lowerStem({ stem, inputChannels }: ResNetDSpace, arch: Arch): LayerSpec[] {
  const { activation } = stem;
  const mid = chosen(stem.midWidths, chosen(arch.widthIndices, 0, 'width index'), 'stem width');
  const out = chosen(stem.widths, chosen(arch.widthIndices, 1, 'width index'), 'stem width');
  const image: FeatureMap = { name: 'input', channels: inputChannels, size: arch.resolution };
  const conv = { op: 'conv', kernel: 3, activation } as const;
  const layers: LayerSpec[] = [convLayer(image, { ...conv, name: 'stem.conv1', outChannels: mid, stride: 2 })];
  let map = outputOf(layers[0]!);
  if (chosen(arch.depths, 0, 'depth') > 0) {
    const residual = { ...conv, name: 'stem.conv2', outChannels: mid, stride: 1, addFrom: map.name } as const;
    layers.push(convLayer(map, residual));
    map = { ...map, name: residual.name };
  }
  const last = convLayer(map, { ...conv, name: 'stem.conv3', outChannels: out, stride: 1 });
  layers.push(last, windowPoolLayer(outputOf(last), { name: 'stem.pool', op: 'maxPool', kernel: 3, stride: 2 }));
  return layers;
}

interface BottleneckChoice {
  readonly hidden: number;
  readonly outChannels: number;
  readonly kernel: number;
  /** Whether it is its stage's first block: it changes the shape. */
  readonly isFirst: boolean;
  readonly slot: BlockPosition;
}

/**
 * A bottleneck. The shortcut of a stage's first block averages as the stride asks and has a 1x1 convolution; it stands between the other
 * layers, where least is held in memory.
 */
function lowerBottleneck(from: FeatureMap, stage: BottleneckStage, block: BottleneckChoice): LayerSpec[] {
  const { hidden, outChannels, kernel, isFirst, slot } = block;
  const { activation } = stage;
  const stride = isFirst ? stage.stride : 1;
  const name = `stages.${slot.stageIndex}.blocks.${slot.blockIndex}`;
  const pointwise = { op: 'conv', kernel: 1, stride: 1, slot } as const;
  const reduced = convLayer(from, { ...pointwise, name: `${name}.conv1`, outChannels: hidden, activation });
  const spatial = { op: 'conv', name: `${name}.conv2`, outChannels: hidden, kernel, stride, activation, slot } as const;
  const layers: LayerSpec[] = [reduced, convLayer(outputOf(reduced), spatial)];
  const inner = outputOf(layers[1]!);
  let shortcut = from;
  if (isFirst) {
    if (stride > 1) {
      layers.push(
        windowPoolLayer(from, { name: `${name}.shortcutPool`, op: 'averagePool', kernel: stride, stride, slot }),
      );
      shortcut = outputOf(layers[2]!);
    }
    layers.push(convLayer(shortcut, { ...pointwise, name: `${name}.shortcut`, outChannels, activation: 'none' }));
    shortcut = outputOf(layers[layers.length - 1]!);
  }
  const sum = { addFrom: shortcut.name, activation: 'none', sumActivation: activation } as const;
  layers.push(convLayer(inner, { ...pointwise, ...sum, name: `${name}.conv3`, outChannels }));
  return layers;
}

/**
 * The layers of a ResNet-D-like architecture; see `lower`.
 * @returns layers named `stem.conv1|conv2|conv3|pool`, `stages.S.blocks.B.conv1|conv2|shortcutPool|shortcut|conv3`, `pool`, `classifier`
 * Source: He et al. 2019 ("Bag of Tricks"), section 4.1; the published code's `ofa_resnets.py`
 */
export function lowerResNetD(space: ResNetDSpace, arch: Arch): LayerSpec[] {
  const layers = lowerStem(space, arch);
  let map = outputOf(layers[layers.length - 1]!);
  let firstSlot = 0;
  space.stages.forEach((stage, stageIndex) => {
    const outChannels = chosen(stage.widths, chosen(arch.widthIndices, 2 + stageIndex, 'width index'), 'stage width');
    const depth = chosen(arch.depths, 1 + stageIndex, 'depth');
    for (let blockIndex = 0; blockIndex < depth; blockIndex++) {
      const slot = firstSlot + blockIndex;
      layers.push(
        ...lowerBottleneck(map, stage, {
          hidden: bottleneckChannels(outChannels, chosen(arch.expandRatios, slot, 'expand ratio')),
          outChannels,
          kernel: chosen(arch.kernelSizes, slot, 'kernel size'),
          isFirst: blockIndex === 0,
          slot: { stageIndex, blockIndex },
        }),
      );
      map = outputOf(layers[layers.length - 1]!);
    }
    firstSlot += slotsPerStage(stage);
  });
  const pool = poolLayer(map, 'pool');
  const classifier = { name: 'classifier', outChannels: space.classes, bias: true, activation: 'none' } as const;
  return [...layers, pool, linearLayer(outputOf(pool), classifier)];
}
