import { invariant } from '../common/invariant.js';
import { float, type GraphBuilder, int, ints, type Value } from '../onnx/builder.js';
import type {
  Activation,
  ConvLayer,
  LayerSpec,
  LinearLayer,
  SqueezeExciteLayer,
  WindowPoolLayer,
} from '../space/types.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';
import type { SupernetTensors } from './types.js';

/** Names of a delivered model's one input and one output, and of the output where softmax is in the graph. */
export const INPUT_NAME = 'input';
export const OUTPUT_NAME = 'logits';
export const PROBABILITIES_NAME = 'probabilities';

/** How a network's layers become nodes; graphs differ in what they do about batch normalisation alone. */
export interface LayerEmitter {
  readonly graph: GraphBuilder;
  /** Weights of everything but convolutions: squeeze-excite and linear layers. */
  readonly tensors: SupernetTensors;
  /** Images per run; any number (`N`) unless told. */
  readonly batch?: number | undefined;
  /** Emits what is done to the input before the first layer, such as normalizing pixels; nothing unless told. */
  readonly prepare?: ((input: Value) => Value) | undefined;
  /** Emits a convolution with its batch normalisation, without activation and shortcut; the result must get the name `name`. */
  conv(layer: ConvLayer, x: Value, name: string): Value;
}

/** A tensor that must be there: `lower()` and slicing agree on the keys. */
export function tensorAt(tensors: SupernetTensors, key: string): FloatTensor {
  const tensor = tensors.get(key);
  invariant(tensor !== undefined, () => `the network has no tensor "${key}"`);
  return tensor;
}

/** Attributes of a square convolution with "same" padding for odd kernels. */
export function convAttributes(layer: ConvLayer): Parameters<GraphBuilder['node']>[2] & object {
  const { kernel, stride, op, inChannels } = layer;
  const pad = Math.floor(kernel / 2);
  return {
    attributes: {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
      group: int(op === 'depthwise' ? inChannels : 1),
    },
  };
}

/** h_sigmoid(x) = relu6(x + 3) / 6; ONNX Runtime fuses this form into convolutions. */
function hardSigmoid(graph: GraphBuilder, x: Value, name: string): Value {
  return graph.node('HardSigmoid', [x], { name, attributes: { alpha: float(1 / 6), beta: float(0.5) } });
}

/** Clip's bounds are constants of the graph and not initialisers: they are no parameters of the model. */
function constant(graph: GraphBuilder, value: number, name: string): Value {
  return graph.node('Constant', [], { name, attributes: { value: { type: 'tensor', value: floats([], [value]) } } });
}

/** Emits an activation other than `none`, named `name`. */
function emitActivation(graph: GraphBuilder, activation: Exclude<Activation, 'none'>, x: Value, name: string): Value {
  switch (activation) {
    case 'relu':
      return graph.node('Relu', [x], { name });
    case 'relu6':
      return graph.node('Clip', [x, constant(graph, 0, `${name}.low`), constant(graph, 6, `${name}.high`)], { name });
    case 'hSwish':
      return graph.node('Mul', [x, hardSigmoid(graph, x, `${name}.gate`)], { name });
  }
}

function emitConvLayer(
  emitter: LayerEmitter,
  layer: ConvLayer,
  values: ReadonlyMap<string, Value>,
  out: string,
): Value {
  const { graph } = emitter;
  const { activation, addFrom, sumActivation = 'none' } = layer;
  const x = outputOf(values, layer.input);
  const steps: { readonly part: string; readonly emit: (y: Value, name: string) => Value }[] = [];
  if (activation !== 'none') {
    steps.push({ part: 'active', emit: (y, name) => emitActivation(graph, activation, y, name) });
  }
  if (addFrom !== undefined) {
    steps.push({ part: 'sum', emit: (y, name) => graph.node('Add', [y, outputOf(values, addFrom)], { name }) });
  }
  if (sumActivation !== 'none') {
    steps.push({ part: 'last', emit: (y, name) => emitActivation(graph, sumActivation, y, name) });
  }
  const last = steps.length - 1; // whatever comes last has the layer's own name
  return steps.reduce(
    (y, { part, emit }, index) => emit(y, index === last ? out : `${out}.${part}`),
    emitter.conv(layer, x, last < 0 ? out : `${out}.conv`),
  );
}

/** Windows of a max pool are padded on all sides; the last ones of an average pool may reach over the edge, and count only what lies inside. */
function emitWindowPool(graph: GraphBuilder, { op, kernel, stride }: WindowPoolLayer, x: Value, name: string): Value {
  const window = { kernel_shape: ints([kernel, kernel]), strides: ints([stride, stride]) };
  if (op === 'averagePool')
    return graph.node('AveragePool', [x], { name, attributes: { ...window, ceil_mode: int(1) } });
  const pad = Math.floor(kernel / 2);
  return graph.node('MaxPool', [x], { name, attributes: { ...window, pads: ints([pad, pad, pad, pad]) } });
}

function emitSqueezeExcite(emitter: LayerEmitter, layer: SqueezeExciteLayer, x: Value, out: string): Value {
  const { graph, tensors } = emitter;
  const { name, inChannels, midChannels } = layer;
  const pointwise = (input: Value, part: 'reduce' | 'expand', dims: readonly [number, number]): Value => {
    const weight = floats([...dims, 1, 1], tensorAt(tensors, `${name}.${part}.weight`).data);
    const bias = tensorAt(tensors, `${name}.${part}.bias`);
    return graph.node(
      'Conv',
      [input, graph.initializer(`${name}.${part}.weight`, weight), graph.initializer(`${name}.${part}.bias`, bias)],
      { name: `${out}.${part}`, attributes: { kernel_shape: ints([1, 1]) } },
    );
  };
  const mean = graph.node('GlobalAveragePool', [x], { name: `${out}.mean` });
  const reduced = graph.node('Relu', [pointwise(mean, 'reduce', [midChannels, inChannels])], { name: `${out}.mid` });
  const gate = hardSigmoid(graph, pointwise(reduced, 'expand', [inChannels, midChannels]), `${out}.gate`);
  return graph.node('Mul', [x, gate], { name: out });
}

function emitLinear(emitter: LayerEmitter, layer: LinearLayer, x: Value, out: string): Value {
  const { graph, tensors } = emitter;
  const { name, activation } = layer;
  const weight = graph.initializer(`${name}.weight`, tensorAt(tensors, `${name}.weight`));
  const bias = layer.bias ? graph.initializer(`${name}.bias`, tensorAt(tensors, `${name}.bias`)) : undefined;
  const product = graph.node('Gemm', bias === undefined ? [x, weight] : [x, weight, bias], {
    name: activation === 'none' ? out : `${out}.product`,
    attributes: { transB: int(1) },
  });
  return activation === 'none' ? product : emitActivation(graph, activation, product, out);
}

function outputOf(values: ReadonlyMap<string, Value>, layerName: string): Value {
  const value = values.get(layerName);
  invariant(value !== undefined, () => `a layer reads "${layerName}", which is not before it`);
  return value;
}

function emitLayer(emitter: LayerEmitter, layer: LayerSpec, values: ReadonlyMap<string, Value>, out: string): Value {
  const x = outputOf(values, layer.input);
  switch (layer.op) {
    case 'conv':
    case 'depthwise':
      return emitConvLayer(emitter, layer, values, out);
    case 'squeezeExcite':
      return emitSqueezeExcite(emitter, layer, x, out);
    case 'linear':
      return emitLinear(emitter, layer, x, out);
    case 'maxPool':
    case 'averagePool':
      return emitWindowPool(emitter.graph, layer, x, out);
    case 'globalPool': {
      const mean = emitter.graph.node('GlobalAveragePool', [x], { name: `${out}.mean` });
      return emitter.graph.node('Flatten', [mean], { name: out });
    }
  }
}

/**
 * Emits layers in order. The output of a layer is a value of the layer's name.
 * @param layers any leading part of a lowered network
 * @param finalName name of the last layer's output, in place of the layer's own
 * @returns the last layer's output
 */
export function emitLayers(emitter: LayerEmitter, layers: readonly LayerSpec[], finalName?: string): Value {
  const [first] = layers;
  invariant(first !== undefined, () => 'a network has at least one layer');
  const dims = [emitter.batch ?? 'N', first.inChannels, first.inSize, first.inSize];
  const input = emitter.graph.input(INPUT_NAME, 'float32', dims);
  let last = emitter.prepare === undefined ? input : emitter.prepare(input);
  const values = new Map<string, Value>([[INPUT_NAME, last]]);
  layers.forEach((layer, index) => {
    const isLast = index === layers.length - 1;
    last = emitLayer(emitter, layer, values, isLast ? (finalName ?? layer.name) : layer.name);
    values.set(layer.name, last);
  });
  return last;
}
