import { invariant } from '../common/invariant.js';
import { GraphBuilder, int, type Value } from '../onnx/builder.js';
import type { OnnxModel } from '../onnx/ir.js';
import type { ConvLayer, LayerSpec } from '../space/types.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';
import { convAttributes, emitLayers, OUTPUT_NAME, PROBABILITIES_NAME, tensorAt } from './emit-layers.js';
import { type ExportOptions, type PixelAffine, PLAIN_EXPORT } from './export-options.js';
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
  const { data } = weight;
  const perChannel = data.length / outChannels;
  const folded = new Float32Array(data.length);
  const bias = new Float32Array(outChannels);
  for (let c = 0; c < outChannels; c++) {
    const scale = gamma[c]! / Math.sqrt(moments.variance[c]! + epsilon);
    for (let i = c * perChannel; i < (c + 1) * perChannel; i++) folded[i] = data[i]! * scale;
    bias[c] = beta[c]! - moments.mean[c]! * scale;
  }
  return { weight: floats(weight.dims, folded), bias: floats([outChannels], bias) };
}

/** Outputs of a network's last layer: its logits. */
function classesOf(layers: readonly LayerSpec[]): number {
  return layers[layers.length - 1]?.outChannels ?? 0;
}

/** What a delivered model is beside its network. */
export interface ModelForm {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly options?: ExportOptions;
  /** What the graph does to its pixels first; nothing unless told. */
  readonly pixels?: PixelAffine | undefined;
}

/** x = pixel * scale + shift per channel. Constants of the graph and not initialisers: they are no parameters of the model. */
function emitNormalization(graph: GraphBuilder, input: Value, { scale, shift }: PixelAffine): Value {
  const constant = (name: string, values: readonly number[]): Value => {
    const value = { type: 'tensor', value: floats([1, values.length, 1, 1], values) } as const;
    return graph.node('Constant', [], { name, attributes: { value } });
  };
  const scaled = graph.node('Mul', [input, constant(`${input}.scale`, scale)], { name: `${input}.scaled` });
  return graph.node('Add', [scaled, constant(`${input}.shift`, shift)], { name: `${input}.normalized` });
}

/**
 * The model as it is delivered: batch normalisation folded, standard operators only, one input `input` float32 `[N, C, H, W]`
 * with N dynamic (or fixed), one output `logits` float32 `[N, classes]` (or `probabilities`). Every initialiser is a weight.
 * @param subnet tensors of the active shapes
 * @param statistics mean and variance of every convolution's batch normalisation
 */
export function inferenceModel(subnet: Subnet, statistics: BatchNormStatistics, form: ModelForm = {}): OnnxModel {
  const { layers, tensors, space } = subnet;
  const { metadata = {}, options = PLAIN_EXPORT, pixels } = form;
  const graph = new GraphBuilder('bespoke');
  const emitter = {
    graph,
    tensors,
    batch: options.batch,
    prepare: pixels === undefined ? undefined : (input: Value) => emitNormalization(graph, input, pixels),
    conv: (layer: ConvLayer, x: Value, name: string): Value => {
      const { weight, bias } = foldBatchNorm(layer, tensors, statistics, space.bnEpsilon);
      return graph.node(
        'Conv',
        [x, graph.initializer(`${layer.name}.weight`, weight), graph.initializer(`${layer.name}.bias`, bias)],
        { ...convAttributes(layer), name },
      );
    },
  };
  const logits = emitLayers(emitter, layers, OUTPUT_NAME);
  const output = options.softmax
    ? graph.node('Softmax', [logits], { name: PROBABILITIES_NAME, attributes: { axis: int(1) } })
    : logits;
  graph.output(output, 'float32', [options.batch ?? 'N', classesOf(layers)]);
  return graph.model(metadata, options.opset);
}
