import { invariant } from '../common/invariant.js';
import { GraphBuilder } from '../onnx/builder.js';
import type { OnnxModel } from '../onnx/ir.js';
import type { ConvLayer, LayerSpec } from '../space/types.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';
import { convAttributes, emitLayers, OUTPUT_NAME, tensorAt } from './emit-layers.js';
import type { BatchNormStatistics, Subnet, SupernetTensors } from './types.js';

/** A convolution with its batch normalisation folded in. */
export interface FoldedConv {
  readonly weight: FloatTensor;
  readonly bias: FloatTensor;
}

/**
 * Folds a batch normalisation into the convolution before it: w' = w * gamma / sqrt(var + eps), b' = beta - mean * gamma / sqrt(var + eps),
 * in float64, rounded once.
 * @param layer a convolution of the sub-network, without bias
 * @param epsilon the space's `bnEpsilon`
 * @returns weight of the layer's shape, bias `[outChannels]`
 */
export function foldBatchNorm(
  layer: ConvLayer,
  tensors: SupernetTensors,
  statistics: BatchNormStatistics,
  epsilon: number,
): FoldedConv {
  const { name, outChannels } = layer;
  const weight = tensorAt(tensors, `${name}.weight`);
  const gamma = tensorAt(tensors, `${name}.bn.weight`).data;
  const beta = tensorAt(tensors, `${name}.bn.bias`).data;
  const moments = statistics.get(name);
  invariant(
    moments !== undefined && moments.mean.length === outChannels && moments.variance.length === outChannels,
    () => `layer "${name}" needs batch-normalisation statistics of ${outChannels} channels`,
  );
  const perChannel = weight.data.length / outChannels;
  const folded = new Float32Array(weight.data.length);
  const bias = new Float32Array(outChannels);
  for (let c = 0; c < outChannels; c++) {
    const scale = gamma[c]! / Math.sqrt(moments.variance[c]! + epsilon);
    for (let i = c * perChannel; i < (c + 1) * perChannel; i++) folded[i] = weight.data[i]! * scale;
    bias[c] = beta[c]! - moments.mean[c]! * scale;
  }
  return { weight: floats(weight.dims, folded), bias: floats([outChannels], bias) };
}

/** Outputs of a network's last layer: its logits. */
function classesOf(layers: readonly LayerSpec[]): number {
  return layers[layers.length - 1]?.outChannels ?? 0;
}

/**
 * The model as it is delivered: batch normalisation folded, standard operators of opset 17 only, one input `input` float32 `[N, C, H, W]`
 * with N dynamic, one output `logits` float32 `[N, classes]`. Every initialiser is a weight.
 * @param subnet tensors of the active shapes
 * @param statistics mean and variance of every convolution's batch normalisation
 */
export function inferenceModel(
  subnet: Subnet,
  statistics: BatchNormStatistics,
  metadata: Readonly<Record<string, string>> = {},
): OnnxModel {
  const { layers, tensors, space } = subnet;
  const graph = new GraphBuilder('bespoke');
  const logits = emitLayers(
    {
      graph,
      tensors,
      conv: (layer, x, name) => {
        const { weight, bias } = foldBatchNorm(layer, tensors, statistics, space.bnEpsilon);
        return graph.node(
          'Conv',
          [x, graph.initializer(`${layer.name}.weight`, weight), graph.initializer(`${layer.name}.bias`, bias)],
          { ...convAttributes(layer), name },
        );
      },
    },
    layers,
    OUTPUT_NAME,
  );
  graph.output(logits, 'float32', ['N', classesOf(layers)]);
  return graph.model(metadata);
}
