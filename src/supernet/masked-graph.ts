import { invariant } from '../common/invariant.js';
import { float, GraphBuilder, int, ints, type Value } from '../onnx/builder.js';
import type { OnnxModel } from '../onnx/ir.js';
import type {
  Activation,
  ConvLayer,
  LayerSpec,
  LinearLayer,
  SearchSpace,
  SqueezeExciteLayer,
  WindowPoolLayer,
} from '../space/types.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';
import { INPUT_NAME, OUTPUT_NAME, tensorAt } from './emit-layers.js';
import type { BatchNormStatistics, Supernet } from './types.js';

/** A value and how many channels it has in the supernet, of which the first are active. */
interface Wide {
  readonly value: Value;
  readonly channels: number;
}

interface Masked {
  readonly graph: GraphBuilder;
  readonly supernet: Supernet;
  readonly statistics: BatchNormStatistics;
}

/** 1 for the active channels, 0 for the rest; dims [1, full, 1, 1]. */
function channelMask(active: number, full: number): FloatTensor {
  return floats([1, full, 1, 1], new Float32Array(full).fill(1, 0, active));
}

function masked(graph: GraphBuilder, { value, channels }: Wide, active: number, name: string): Wide {
  if (active === channels) return { value, channels };
  const mask = graph.initializer(`${name}.mask`, channelMask(active, channels));
  return { value: graph.node('Mul', [value, mask]), channels };
}

function weight({ graph, supernet }: Masked, key: string, dims?: readonly number[]): Value {
  const tensor = tensorAt(supernet.tensors, key);
  return graph.initializer(key, dims === undefined ? tensor : floats(dims, tensor.data));
}

/** relu6(x + 3) / 6, spelled out. */
function hardSigmoid(graph: GraphBuilder, x: Value): Value {
  const clipped = graph.node('Clip', [graph.node('Add', [x, graph.scalar(3)]), graph.scalar(0), graph.scalar(6)]);
  return graph.node('Div', [clipped, graph.scalar(6)]);
}

function activated(graph: GraphBuilder, activation: Activation, x: Value): Value {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return graph.node('Max', [x, graph.scalar(0)]);
    case 'relu6':
      return graph.node('Min', [graph.node('Max', [x, graph.scalar(0)]), graph.scalar(6)]);
    case 'hSwish':
      return graph.node('Mul', [x, hardSigmoid(graph, x)]);
  }
}

/** Places of the centre `to` x `to` in a row-major `from` x `from` kernel. */
function centerTaps(from: number, to: number): number[] {
  const edge = (from - to) / 2;
  return Array.from({ length: to * to }, (_, i) => (Math.floor(i / to) + edge) * from + (i % to) + edge);
}

/**
 * The kernels of an active size as the graph computes them: the stored ones, cropped and mapped step by step, and set into a frame of
 * zeros of the stored size. Dims [C, 1, K, K].
 */
function elasticKernels(context: Masked, layer: ConvLayer, side: number): Value {
  const { graph, supernet } = context;
  const { space, tensors } = supernet;
  const stored = weight(context, `${layer.name}.weight`);
  if (layer.kernel === side) return stored;
  const channels = tensorAt(tensors, `${layer.name}.weight`).dims[0] ?? 0;
  const sizes = space.kernelSizes.filter((size) => size >= layer.kernel && size < side).sort((a, b) => b - a);
  let taps = graph.node('Reshape', [stored, graph.int64Const([channels, side * side])]);
  let from = side;
  for (const to of sizes) {
    taps = graph.node('Gather', [taps, graph.int64Const(centerTaps(from, to))], { attributes: { axis: int(1) } });
    if (space.kernelTransform) {
      const matrix = weight(context, `${layer.name}.transform${from}to${to}`);
      taps = graph.node('Gemm', [taps, matrix], { attributes: { transB: int(1) } });
    }
    from = to;
  }
  const small = graph.node('Reshape', [taps, graph.int64Const([channels, 1, from, from])]);
  const edge = (side - from) / 2;
  return graph.node('Pad', [small, graph.int64Const([0, 0, edge, edge, 0, 0, edge, edge])]);
}

/** Per-channel vector of the full width, filled up where the sub-network has no channels. */
function widened(values: Float32Array, full: number, fill: number): FloatTensor {
  const out = new Float32Array(full).fill(fill);
  out.set(values);
  return floats([full], out);
}

/** An explicit batch normalisation over the full width; inactive channels get mean 0 and variance 1 and are masked out later. */
function normalized(context: Masked, layer: ConvLayer, { value, channels }: Wide): Value {
  const { graph, statistics, supernet } = context;
  const moments = statistics.get(layer.name);
  invariant(moments !== undefined, () => `layer "${layer.name}" has no statistics`);
  const mean = graph.initializer(`${layer.name}.bn.mean`, widened(moments.mean, channels, 0));
  const variance = graph.initializer(`${layer.name}.bn.variance`, widened(moments.variance, channels, 1));
  const inputs = [
    value,
    weight(context, `${layer.name}.bn.weight`),
    weight(context, `${layer.name}.bn.bias`),
    mean,
    variance,
  ];
  return graph.node('BatchNormalization', inputs, { attributes: { epsilon: float(supernet.space.bnEpsilon) } });
}

function maskedConv(context: Masked, layer: ConvLayer, x: Wide, shortcut: Wide | undefined): Wide {
  const { graph, supernet } = context;
  const stored = tensorAt(supernet.tensors, `${layer.name}.weight`).dims;
  const [channels = 0, perGroup = 0, side = 0] = stored;
  const pad = Math.floor(side / 2);
  const depthwise = layer.op === 'depthwise';
  invariant(
    x.channels === (depthwise ? channels : perGroup),
    () => `layer "${layer.name}" reads ${x.channels} channels of the supernet and has [${stored.join(', ')}]`,
  );
  const kernels = depthwise ? elasticKernels(context, layer, side) : weight(context, `${layer.name}.weight`);
  const y = graph.node('Conv', [x.value, kernels], {
    attributes: {
      strides: ints([layer.stride, layer.stride]),
      pads: ints([pad, pad, pad, pad]),
      group: int(depthwise ? channels : 1),
    },
  });
  const active = activated(graph, layer.activation, normalized(context, layer, { value: y, channels }));
  const out = masked(graph, { value: active, channels }, layer.outChannels, layer.name);
  if (shortcut === undefined) return out;
  const sum = graph.node('Add', [out.value, shortcut.value]);
  // Inactive channels are 0 on both sides, and every activation leaves them so.
  return { value: activated(graph, layer.sumActivation ?? 'none', sum), channels };
}

/**
 * Max: as the delivered graph. Average: sums and counts of an unpadded input framed with zeros at the far edges, so that it does not lean
 * on how a runtime treats windows that reach over them.
 */
function maskedWindowPool(graph: GraphBuilder, layer: WindowPoolLayer, x: Wide): Wide {
  const { kernel, stride, inSize, outSize } = layer;
  const window = { kernel_shape: ints([kernel, kernel]), strides: ints([stride, stride]) };
  if (layer.op === 'maxPool') {
    const pad = Math.floor(kernel / 2);
    return {
      ...x,
      value: graph.node('MaxPool', [x.value], { attributes: { ...window, pads: ints([pad, pad, pad, pad]) } }),
    };
  }
  const reach = (outSize - 1) * stride + kernel - inSize;
  const pads = graph.int64Const([0, 0, 0, 0, 0, 0, reach, reach]);
  const framed = reach > 0 ? graph.node('Pad', [x.value, pads]) : x.value;
  const mean = graph.node('AveragePool', [framed], { attributes: window });
  const inside = Array.from({ length: outSize }, (_, at) => Math.min(kernel, inSize - at * stride));
  const shares = inside.flatMap((rows) => inside.map((columns) => (kernel * kernel) / (rows * columns)));
  const correction = graph.initializer(`${layer.name}.correction`, floats([1, 1, outSize, outSize], shares));
  return { ...x, value: graph.node('Mul', [mean, correction]) };
}

function maskedSqueezeExcite(context: Masked, layer: SqueezeExciteLayer, x: Wide): Wide {
  const { graph, supernet } = context;
  const { name, midChannels } = layer;
  const [mid = 0, channels = 0] = tensorAt(supernet.tensors, `${name}.reduce.weight`).dims;
  const mean = graph.node('ReduceMean', [x.value], { attributes: { axes: ints([2, 3]) } });
  const reduce = [
    weight(context, `${name}.reduce.weight`, [mid, channels, 1, 1]),
    weight(context, `${name}.reduce.bias`),
  ];
  const reduced = activated(graph, 'relu', graph.node('Conv', [mean, ...reduce]));
  const kept = masked(graph, { value: reduced, channels: mid }, midChannels, `${name}.mid`);
  const expand = [
    weight(context, `${name}.expand.weight`, [channels, mid, 1, 1]),
    weight(context, `${name}.expand.bias`),
  ];
  const gate = hardSigmoid(graph, graph.node('Conv', [kept.value, ...expand]));
  return { value: graph.node('Mul', [x.value, gate]), channels };
}

function maskedLinear(context: Masked, layer: LinearLayer, x: Wide): Wide {
  const { graph } = context;
  const transposed = graph.node('Transpose', [weight(context, `${layer.name}.weight`)], {
    attributes: { perm: ints([1, 0]) },
  });
  const product = graph.node('MatMul', [x.value, transposed]);
  const sum = layer.bias ? graph.node('Add', [product, weight(context, `${layer.name}.bias`)]) : product;
  return { value: activated(graph, layer.activation, sum), channels: layer.outChannels };
}

function maskedLayer(context: Masked, layer: LayerSpec, values: ReadonlyMap<string, Wide>): Wide {
  const read = (name: string): Wide => {
    const wide = values.get(name);
    invariant(wide !== undefined, () => `layer "${layer.name}" reads "${name}", which is not before it`);
    return wide;
  };
  const x = read(layer.input);
  switch (layer.op) {
    case 'conv':
    case 'depthwise':
      return maskedConv(context, layer, x, layer.addFrom === undefined ? undefined : read(layer.addFrom));
    case 'squeezeExcite':
      return maskedSqueezeExcite(context, layer, x);
    case 'linear':
      return maskedLinear(context, layer, x);
    case 'maxPool':
    case 'averagePool':
      return maskedWindowPool(context.graph, layer, x);
    case 'globalPool': {
      const attributes = { axes: ints([2, 3]), keepdims: int(0) };
      return { ...x, value: context.graph.node('ReduceMean', [x.value], { attributes }) };
    }
  }
}

/**
 * The supernet's own forward pass of one architecture, made another way than the delivered model on purpose, as what that is compared with:
 * full-width weights with channel masks after activations, kernels transformed by the graph and framed with zeros to the stored size,
 * inactive blocks skipped, batch normalisation explicit, activations spelled out.
 * @param layers `lower(space, arch)`: which blocks are active, and how wide
 * @param statistics those the delivered model was made with
 * @returns one input `input` [N, C, H, W], one output `logits` [N, classes]
 */
export function maskedSupernetModel(
  supernet: Supernet,
  layers: readonly LayerSpec[],
  statistics: BatchNormStatistics,
): OnnxModel {
  const graph = new GraphBuilder('supernet');
  const { inputChannels, classes }: SearchSpace = supernet.space;
  const side = layers[0]?.inSize ?? 0;
  const input = graph.input(INPUT_NAME, 'float32', ['N', inputChannels, side, side]);
  let last: Wide = { value: input, channels: inputChannels };
  const values = new Map<string, Wide>([[INPUT_NAME, last]]);
  for (const layer of layers) {
    last = maskedLayer({ graph, supernet, statistics }, layer, values);
    values.set(layer.name, last);
  }
  const logits = graph.node('Identity', [last.value], { name: OUTPUT_NAME });
  graph.output(logits, 'float32', ['N', classes]);
  return graph.model();
}
