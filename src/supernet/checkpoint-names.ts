import { invariant } from '../common/invariant.js';
import { stageOffsets } from '../space/slots.js';
import type { SearchSpace } from '../space/types.js';
import { expectedTensors, optionalTensors } from './expected-tensors.js';

/** Wrappers of older and newer published code around one layer: as often as they are repeated, they name the same tensor. */
const REPEATED = [/(\.conv)+(?=\.)/g, /(\.bn)+(?=\.)/g, /(\.linear)+(?=\.)/g] as const;

/**
 * The form of a tensor's name in which all spellings of the published code are equal: `blocks.1.mobile_inverted_conv.` is
 * `blocks.1.conv.`, `bn.bn.` is `bn.`, `conv.conv.` is `conv.`, `linear.linear.` is `linear.`, and a leading `module.` (of data
 * parallel training) is left out. No two tensors of one network meet in one name.
 * Source: mit-han-lab/once-for-all, `load_state_dict` of the supernets
 */
export function plainName(name: string): string {
  const bare = name.replace(/^module\./, '').replace('.mobile_inverted_conv.', '.conv.');
  return REPEATED.reduce((plain, pattern) => plain.replace(pattern, (run) => run.slice(run.lastIndexOf('.'))), bare);
}

/** A name without its block's number: what kind of tensor it is. */
export function kindOfName(name: string): string {
  return plainName(name).replace(/^blocks\.\d+\./, 'blocks.#.');
}

/** The published names of our layers outside the blocks, and of a block's. */
const LAYERS: Readonly<Record<string, string>> = {
  stem: 'first_conv',
  'first.depthwise': 'blocks.0.conv.depth_conv',
  'first.se': 'blocks.0.conv.depth_conv.se.fc',
  'first.project': 'blocks.0.conv.point_linear',
  'stem.conv1': 'input_stem.0',
  'stem.conv2': 'input_stem.1.conv',
  'stem.conv3': 'input_stem.2',
  featureMix: 'feature_mix_layer',
  classifier: 'classifier.linear',
};
const BLOCK_LAYERS: Readonly<Record<string, string>> = {
  expand: 'conv.inverted_bottleneck',
  depthwise: 'conv.depth_conv',
  se: 'conv.depth_conv.se.fc',
  project: 'conv.point_linear',
  conv1: 'conv1',
  conv2: 'conv2',
  conv3: 'conv3',
  shortcut: 'downsample',
};

/** The published name of a layer; blocks are numbered over all stages, behind the fixed first one where there is one. */
function publishedLayer(space: SearchSpace, layer: string): string {
  const [, stage, block, part] = /^stages\.(\d+)\.blocks\.(\d+)\.(\w+)$/.exec(layer) ?? [];
  if (stage !== undefined) {
    const before = space.family === 'mobilenet-v3' && space.firstBlock !== undefined ? 1 : 0;
    const number = before + (stageOffsets(space)[Number(stage)] ?? 0) + Number(block);
    const name = BLOCK_LAYERS[part ?? ''];
    invariant(name !== undefined, () => `layer ${layer} has no published name`);
    return `blocks.${number}.${name}`;
  }
  // ProxylessNAS calls its last convolution what MobileNetV3 calls the linear layer behind the pool.
  const hasMix = space.family === 'mobilenet-v3' && space.featureMix !== undefined;
  const name = layer === 'finalExpand' ? (hasMix ? 'final_expand_layer' : 'feature_mix_layer') : LAYERS[layer];
  invariant(name !== undefined, () => `layer ${layer} has no published name`);
  return name;
}

/** The published name of a tensor's part, what stands behind its layer's name; elastic layers are wrapped once more than fixed ones. */
function publishedPart(layer: string, part: string, isElastic: boolean): string {
  const [, from, to] = /^transform(\d+)to(\d+)$/.exec(part) ?? [];
  if (from !== undefined) return `conv.${from}to${to}_matrix`;
  if (layer === 'classifier') return isElastic ? `linear.${part}` : part;
  if (part === 'weight') return isElastic ? 'conv.conv.weight' : 'conv.weight';
  return isElastic && part.startsWith('bn.') ? `bn.${part}` : part;
}

/** One of our names as layer and part; those of squeeze-and-excite have parts of two words. */
function splitKey(key: string): readonly [layer: string, part: string] {
  const match = /^(.*\.se)\.((?:reduce|expand)\.\w+)$/.exec(key) ?? /^(.*?)\.(bn\.\w+|\w+)$/.exec(key);
  return [match?.[1] ?? '', match?.[2] ?? ''];
}

/** The published name of every tensor that a supernet of a space can have, by our name; as the newer published code spells it. */
export function publishedNames(space: SearchSpace): Map<string, string> {
  const names = new Map<string, string>();
  for (const key of [...expectedTensors(space).keys(), ...optionalTensors(space).keys()]) {
    const [layer, part] = splitKey(key);
    const isElastic = space.family === 'resnet-d' || layer.startsWith('stages.');
    names.set(key, `${publishedLayer(space, layer)}.${publishedPart(layer, part, isElastic)}`);
  }
  return names;
}
