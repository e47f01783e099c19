import { invariant } from '../common/invariant.js';
import { hiddenChannels } from '../space/layers.js';
import type { ConvLayer, SearchSpace } from '../space/types.js';
import type { BlockLayers } from './blocks.js';
import type { LookupEntries } from './lookup-table.js';

/**
 * How keys tell a block's width, and what the head consists of. `hidden`: hidden channels, with squeeze-excite and h-swish, pool and
 * classifier apart (MobileNetV3 tables). `ratio`: the expand ratio, pool and classifier in one (ProxylessNAS tables).
 */
export type KeyForm = 'hidden' | 'ratio';

/** The form of a table's keys. */
export function keyFormOf(entries: LookupEntries): KeyForm {
  const blocks = [...entries.keys()].filter((key) => key.startsWith('expanded_conv-'));
  return blocks.length > 0 && blocks.every((key) => !key.includes('-se:')) ? 'ratio' : 'hidden';
}

const map = (side: number, channels: number): string => `${side}x${side}x${channels}`;
const bit = (is: boolean): string => (is ? '1' : '0');

/** The expand ratio that a block's hidden channels come from; 1 where it has no expand convolution. */
function expandRatioOf({ expandRatios }: SearchSpace, inChannels: number, hidden: number): number {
  return expandRatios.find((ratio) => hiddenChannels(inChannels, ratio) === hidden) ?? hidden / inChannels;
}

function blockKeyOf(space: SearchSpace, layers: BlockLayers, form: KeyForm): string {
  const first = layers[0];
  const depthwise = layers.find((layer): layer is ConvLayer => layer.op === 'depthwise');
  const last = layers.at(-1);
  invariant(
    first !== undefined && depthwise !== undefined && last?.op === 'conv',
    () => `no inverted residual: ${layers.map(({ op }) => op).join(', ')}`,
  );
  const hidden = depthwise.outChannels;
  return [
    `expanded_conv-input:${map(first.inSize, first.inChannels)}`,
    `output:${map(last.outSize, last.outChannels)}`,
    `expand:${form === 'hidden' ? hidden : expandRatioOf(space, first.inChannels, hidden)}`,
    `kernel:${depthwise.kernel}`,
    `stride:${depthwise.stride}`,
    `idskip:${bit(last.addFrom !== undefined)}`,
    ...(form === 'hidden'
      ? [`se:${bit(layers.some(({ op }) => op === 'squeezeExcite'))}`, `hs:${bit(depthwise.activation === 'hSwish')}`]
      : []),
  ].join('-');
}

/** The keys of a head's layers: final expand, pool, feature mix, classifier, whichever there are. */
function headKeys(layers: BlockLayers, form: KeyForm): readonly string[] {
  const pool = layers.find(({ op }) => op === 'globalPool');
  return layers.flatMap((layer, index) => {
    const { op, inSize, inChannels, outSize, outChannels } = layer;
    if (op === 'conv') return [`Conv_1-input:${map(inSize, inChannels)}-output:${map(outSize, outChannels)}`];
    if (op === 'globalPool') {
      return form === 'ratio' ? [] : [`AvgPool2D-input:${map(inSize, inChannels)}-output:${map(1, outChannels)}`];
    }
    if (index < layers.length - 1) return [`Conv_2-input:${map(1, inChannels)}-output:${map(1, outChannels)}`];
    const side = form === 'ratio' ? (pool?.inSize ?? 1) : 1;
    return [`Logits-input:${map(side, inChannels)}-output:${outChannels}`];
  });
}

/**
 * The keys under which the published tables have a group's time; the group's time is their sum.
 * @param space of the MobileNetV3 family: no tables of other families are published
 * @param layers a group of `blockGroups`
 * Source: the published code's `latency_lookup_table.py`
 */
export function publishedKeys(space: SearchSpace, layers: BlockLayers, form: KeyForm): readonly string[] {
  const [first] = layers;
  invariant(first !== undefined, () => 'keys of no layers');
  if (first.name === 'stem') {
    return [`Conv-input:${map(first.inSize, first.inChannels)}-output:${map(first.outSize, first.outChannels)}`];
  }
  const isBlock = first.stageIndex !== undefined || first.name.startsWith('first.');
  return isBlock ? [blockKeyOf(space, layers, form)] : headKeys(layers, form);
}
