import { invariant } from '../common/invariant.js';
import type { Rng } from '../common/rng.js';
import { GraphBuilder } from '../onnx/builder.js';
import { encodeModel } from '../onnx/codec.js';
import type { ConvLayer, LayerSpec } from '../space/types.js';
import { convAttributes, emitLayers, INPUT_NAME } from '../supernet/emit-layers.js';
import { type FloatTensor, floats, sizeOf } from '../tensor/tensor.js';

/** Random weights that keep activations in scale (He et al. 2015), so that no run meets denormal numbers. */
function randomTensor(dims: readonly number[], rng: Rng): FloatTensor {
  const std = Math.sqrt((2 * (dims[0] ?? 1)) / sizeOf(dims));
  return floats(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => std * rng.normal()),
  );
}

/** Weights of everything but convolutions, keyed as in a supernet. */
function randomTensors(layers: readonly LayerSpec[], rng: Rng): Map<string, FloatTensor> {
  const tensors = new Map<string, FloatTensor>();
  for (const layer of layers) {
    const { name, inChannels, outChannels } = layer;
    if (layer.op === 'squeezeExcite') {
      tensors.set(`${name}.reduce.weight`, randomTensor([layer.midChannels, inChannels], rng));
      tensors.set(`${name}.reduce.bias`, floats([layer.midChannels], new Float32Array(layer.midChannels)));
      tensors.set(`${name}.expand.weight`, randomTensor([inChannels, layer.midChannels], rng));
      tensors.set(`${name}.expand.bias`, floats([inChannels], new Float32Array(inChannels)));
    } else if (layer.op === 'linear') {
      tensors.set(`${name}.weight`, randomTensor([outChannels, inChannels], rng));
      tensors.set(`${name}.bias`, floats([outChannels], new Float32Array(outChannels)));
    }
  }
  return tensors;
}

/** Layers that read what lies before the first one read the graph's input instead. */
function standingAlone(layers: readonly LayerSpec[]): LayerSpec[] {
  const names = new Set(layers.map(({ name }) => name));
  const within = (name: string): string => (names.has(name) ? name : INPUT_NAME);
  return layers.map((layer): LayerSpec => {
    const input = within(layer.input);
    return 'addFrom' in layer && layer.addFrom !== undefined
      ? { ...layer, input, addFrom: within(layer.addFrom) }
      : { ...layer, input };
  });
}

/**
 * An ONNX model of any run of a network's layers, with random weights: latency does not depend on their values.
 * The graph is the delivered one's: batch normalization folded, the same operators.
 * @param layers consecutive layers of one lowered network that read nothing earlier but the first one's input
 * @returns encoded model; input `input` float32 `[N, C, H, W]`
 */
export function randomModel(layers: readonly LayerSpec[], rng: Rng): Uint8Array {
  const graph = new GraphBuilder('latency');
  const conv = (
    layer: ConvLayer,
    x: Parameters<typeof graph.node>[1][0],
    name: string,
  ): ReturnType<typeof graph.node> => {
    const { op, inChannels, outChannels, kernel } = layer;
    const dims = [outChannels, op === 'depthwise' ? 1 : inChannels, kernel, kernel];
    const weight = graph.initializer(`${layer.name}.weight`, randomTensor(dims, rng));
    const bias = graph.initializer(`${layer.name}.bias`, floats([outChannels], new Float32Array(outChannels)));
    return graph.node('Conv', [x, weight, bias], { ...convAttributes(layer), name });
  };
  const alone = standingAlone(layers);
  const last = alone.at(-1);
  invariant(last !== undefined, () => 'a model of no layers');
  const output = emitLayers({ graph, tensors: randomTensors(alone, rng), conv }, alone, 'output');
  const { op, outChannels, outSize } = last;
  const isVector = op === 'linear' || op === 'globalPool';
  graph.output(output, 'float32', isVector ? ['N', outChannels] : ['N', outChannels, outSize, outSize]);
  return encodeModel(graph.model());
}
