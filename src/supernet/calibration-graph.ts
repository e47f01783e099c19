import { float, GraphBuilder, int, ints, type Value } from '../onnx/builder.js';
import type { OnnxModel } from '../onnx/ir.js';
import type { ConvLayer } from '../space/types.js';
import { filled, floats } from '../tensor/tensor.js';
import { convAttributes, emitLayers, tensorAt } from './emit-layers.js';
import type { Subnet } from './types.js';

/** Where the calibration graph puts a layer's batch statistics. */
export interface StatisticsOutputs {
  readonly layer: string;
  readonly mean: string;
  readonly variance: string;
}

export interface CalibrationModel {
  readonly onnx: OnnxModel;
  readonly outputs: readonly StatisticsOutputs[];
}

interface Calibration {
  readonly graph: GraphBuilder;
  readonly subnet: Subnet;
  readonly outputs: StatisticsOutputs[];
}

/** A 1x1 convolution from which at least this many times as many channels come out as go in has its statistics computed from its input. */
const WIDENING = 2;

const isPointwise = ({ op, kernel, stride }: ConvLayer): boolean => op === 'conv' && kernel === 1 && stride === 1;

function part({ graph, subnet }: Calibration, layer: ConvLayer, key: string, dims?: readonly number[]): Value {
  const name = `${layer.name}.${key}`;
  const tensor = tensorAt(subnet.tensors, name);
  return graph.initializer(name, dims === undefined ? tensor : floats(dims, tensor.data));
}

function note({ graph, outputs }: Calibration, layer: ConvLayer, mean: Value, variance: Value): void {
  graph.output(mean, 'float32', [layer.outChannels]);
  graph.output(variance, 'float32', [layer.outChannels]);
  outputs.push({ layer: layer.name, mean, variance });
}

/** The convolution without batch normalisation. */
function rawConv(context: Calibration, layer: ConvLayer, x: Value): Value {
  const { graph } = context;
  const { inChannels, outChannels, outSize } = layer;
  const name = `${layer.name}.raw`;
  if (!isPointwise(layer)) {
    return graph.node('Conv', [x, part(context, layer, 'weight')], { ...convAttributes(layer), name });
  }
  // As a matrix product it stays in NCHW: ONNX Runtime would reorder a convolution's input and output into its blocked layout and back,
  // which costs more than it gains between batch normalisations.
  const weight = part(context, layer, 'weight', [outChannels, inChannels]);
  const pixels = graph.node('Reshape', [x, graph.int64Const([0, inChannels, -1])]);
  const product = graph.node('MatMul', [weight, pixels]);
  return graph.node('Reshape', [product, graph.int64Const([0, outChannels, outSize, outSize])], { name });
}

/** Convolution, then ONNX's training-mode normalisation, which gives the batch's statistics with momentum 0. */
function normalizedOutput(context: Calibration, layer: ConvLayer, x: Value, name: string): Value {
  const { graph, subnet } = context;
  const unused = graph.initializer(`${layer.name}.unused`, filled([layer.outChannels], 1));
  const attributes = { training_mode: int(1), momentum: float(0), epsilon: float(subnet.space.bnEpsilon) };
  const inputs = [
    rawConv(context, layer, x),
    part(context, layer, 'bn.weight'),
    part(context, layer, 'bn.bias'),
    unused,
    unused,
  ];
  const [y, mean, variance] = graph.nodes('BatchNormalization', inputs, { name, outputs: 3, attributes });
  note(context, layer, mean!, variance!);
  return y!;
}

/**
 * The statistics of a widening 1x1 convolution y = W x from those of its narrow input: mean(y) = W mean(x), var(y) = diag(W cov(x) W^T).
 * They are known before the convolution runs, so that the normalisation is folded into its weights and the wide map is written just once.
 */
function normalizedWeights(context: Calibration, layer: ConvLayer, x: Value, name: string): Value {
  const { graph, subnet } = context;
  const { inChannels, outChannels, inSize } = layer;
  const weight = part(context, layer, 'weight', [outChannels, inChannels]);
  const mean = graph.node('ReduceMean', [x], { attributes: { axes: ints([0, 2, 3]) } });
  const pixels = graph.node('Reshape', [graph.node('Sub', [x, mean]), graph.int64Const([0, inChannels, -1])]);
  const turned = graph.node('Transpose', [pixels], { attributes: { perm: ints([0, 2, 1]) } });
  const products = graph.node('ReduceMean', [graph.node('MatMul', [pixels, turned])], {
    attributes: { axes: ints([0]), keepdims: int(0) },
  });
  const covariance = graph.node('Div', [products, graph.scalar(inSize * inSize)]);
  const spread = graph.node('Mul', [graph.node('MatMul', [weight, covariance]), weight]);
  const sum = graph.node('ReduceSum', [spread, graph.int64Const([1])], { attributes: { keepdims: int(0) } });
  // Rounding may leave the variance of a channel that is constant a little below 0.
  const variance = graph.node('Max', [sum, graph.scalar(0)]);
  const column = graph.node('Reshape', [mean, graph.int64Const([inChannels, 1])]);
  const outMean = graph.node('Reshape', [graph.node('MatMul', [weight, column]), graph.int64Const([outChannels])]);
  note(context, layer, outMean, variance);
  const deviation = graph.node('Sqrt', [graph.node('Add', [variance, graph.scalar(subnet.space.bnEpsilon)])]);
  const scale = graph.node('Div', [part(context, layer, 'bn.weight'), deviation]);
  const bias = graph.node('Sub', [part(context, layer, 'bn.bias'), graph.node('Mul', [outMean, scale])]);
  const scaled = graph.node('Mul', [weight, graph.node('Reshape', [scale, graph.int64Const([outChannels, 1])])]);
  const kernel = graph.node('Reshape', [scaled, graph.int64Const([outChannels, inChannels, 1, 1])]);
  return graph.node('Conv', [x, kernel, bias], { ...convAttributes(layer), name });
}

/**
 * The sub-network up to its last batch normalisation, each of which normalises with the current batch's own mean and biased variance
 * (per channel over N, H, W); these are the graph's outputs, float32 `[channels]`. Standard operators alone.
 * Source: OFA `set_running_statistics`; ONNX BatchNormalization-15 with training_mode
 */
export function calibrationModel(subnet: Subnet): CalibrationModel {
  const { layers, tensors } = subnet;
  const graph = new GraphBuilder('calibration');
  const context: Calibration = { graph, subnet, outputs: [] };
  const lastConv = layers.findLastIndex(({ op }) => op === 'conv' || op === 'depthwise');
  const emitter = {
    graph,
    tensors,
    conv: (layer: ConvLayer, x: Value, name: string): Value =>
      isPointwise(layer) && layer.outChannels >= WIDENING * layer.inChannels
        ? normalizedWeights(context, layer, x, name)
        : normalizedOutput(context, layer, x, name),
  };
  emitLayers(emitter, layers.slice(0, lastConv + 1));
  return { onnx: graph.model(), outputs: context.outputs };
}
