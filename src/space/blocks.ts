import type { LayerSpec } from './types.js';

/** Which group a layer belongs to: its block, `stem`, `first`, or `head`. */
function groupOf(layer: LayerSpec): string {
  if (layer.stageIndex !== undefined) return `stages.${layer.stageIndex}.blocks.${layer.blockIndex}`;
  if (layer.name === 'stem' || layer.name.startsWith('stem.')) return 'stem';
  return layer.name.startsWith('first.') ? 'first' : 'head';
}

/**
 * Splits lowered layers into the groups that latency is measured and added up by:
 * the stem, the fixed first block (where the space has one), each block, the head.
 * @param layers of one arch, as `lower()` gives them
 * @returns the groups in execution order; together they are all layers
 */
export function blockGroups(layers: readonly LayerSpec[]): readonly (readonly LayerSpec[])[] {
  const groups: LayerSpec[][] = [];
  let current = '';
  for (const layer of layers) {
    const group = groupOf(layer);
    if (group !== current) groups.push([]);
    current = group;
    groups[groups.length - 1]!.push(layer);
  }
  return groups;
}

function layerKey(layer: LayerSpec): string {
  const channels = `${layer.inChannels}>${layer.outChannels}`;
  switch (layer.op) {
    case 'conv':
    case 'depthwise': {
      const shape = `k${layer.kernel} s${layer.stride} @${layer.inSize}`;
      const sum = layer.sumActivation === undefined ? ' add' : ` add ${layer.sumActivation}`;
      return `${layer.op} ${channels} ${shape} ${layer.activation}${layer.addFrom === undefined ? '' : sum}`;
    }
    case 'maxPool':
    case 'averagePool':
      return `${layer.op} ${layer.inChannels} k${layer.kernel} s${layer.stride} @${layer.inSize}`;
    case 'squeezeExcite':
      return `se ${layer.inChannels}>${layer.midChannels} @${layer.inSize}`;
    case 'globalPool':
      return `pool ${layer.inChannels} @${layer.inSize}`;
    case 'linear':
      return `linear ${channels} ${layer.activation}${layer.bias ? ' bias' : ''}`;
  }
}

/**
 * The canonical text of a group's shapes: operators, channels, kernels, strides, sizes, activations, shortcut; no names.
 * Equal for groups that do the same work, wherever they stand, so that each is measured once.
 * Example: `conv 16>48 k1 s1 @28 relu | depthwise 48>48 k3 s2 @28 relu | conv 48>16 k1 s1 @14 none`
 */
export function blockKey(layers: readonly LayerSpec[]): string {
  return layers.map(layerKey).join(' | ');
}
