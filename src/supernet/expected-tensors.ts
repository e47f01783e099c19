import { maxArch } from '../space/arch.js';
import { lower } from '../space/lower.js';
import type { ConvLayer, LayerSpec, SearchSpace } from '../space/types.js';

type Shapes = Map<string, readonly number[]>;

/** Names and shapes of the learned kernel transforms of one elastic depthwise layer. */
function transformShapes(space: SearchSpace, layer: ConvLayer, shapes: Shapes): void {
  const sizes = [...space.kernelSizes].sort((a, b) => b - a);
  sizes.slice(1).forEach((to, step) => {
    shapes.set(`${layer.name}.transform${sizes[step]}to${to}`, [to * to, to * to]);
  });
}

function layerShapes(space: SearchSpace, layer: LayerSpec, shapes: Shapes): void {
  const { name, inChannels, outChannels } = layer;
  switch (layer.op) {
    case 'conv':
    case 'depthwise':
      shapes.set(`${name}.weight`, [
        outChannels,
        layer.op === 'depthwise' ? 1 : inChannels,
        layer.kernel,
        layer.kernel,
      ]);
      shapes.set(`${name}.bn.weight`, [outChannels]);
      shapes.set(`${name}.bn.bias`, [outChannels]);
      // Only block slots are elastic: the fixed first block has one kernel size.
      if (layer.op === 'depthwise' && layer.blockIndex !== undefined && space.kernelTransform) {
        transformShapes(space, layer, shapes);
      }
      return;
    case 'squeezeExcite':
      shapes.set(`${name}.reduce.weight`, [layer.midChannels, inChannels]);
      shapes.set(`${name}.reduce.bias`, [layer.midChannels]);
      shapes.set(`${name}.expand.weight`, [inChannels, layer.midChannels]);
      shapes.set(`${name}.expand.bias`, [inChannels]);
      return;
    case 'linear':
      shapes.set(`${name}.weight`, [outChannels, inChannels]);
      if (layer.bias) shapes.set(`${name}.bias`, [outChannels]);
      return;
    case 'globalPool':
    case 'maxPool':
    case 'averagePool':
      return;
  }
}

/**
 * Every tensor that a supernet of this space has, with its dims: the shapes of the largest arch, and the kernel transforms.
 * Running statistics, which imported checkpoints bring along, are not in it: see {@link optionalTensors}.
 */
export function expectedTensors(space: SearchSpace): Map<string, readonly number[]> {
  const shapes: Shapes = new Map();
  for (const layer of lower(space, maxArch(space))) layerShapes(space, layer, shapes);
  return shapes;
}

/** Tensors that a supernet of this space may have: running statistics of every batch normalisation, dims `[channels]`. */
export function optionalTensors(space: SearchSpace): Map<string, readonly number[]> {
  const shapes: Shapes = new Map();
  for (const layer of lower(space, maxArch(space))) {
    if (layer.op !== 'conv' && layer.op !== 'depthwise') continue;
    shapes.set(`${layer.name}.bn.running_mean`, [layer.outChannels]);
    shapes.set(`${layer.name}.bn.running_var`, [layer.outChannels]);
  }
  return shapes;
}
