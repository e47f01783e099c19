import { BespokeError } from '../common/errors.js';
import { sizeOf, type Tensor } from '../tensor/tensor.js';
import type { Attribute, OnnxGraph, OnnxNode } from './ir.js';

export type Dims = readonly number[];

/** What shape propagation knows while it walks a graph: the dims of every value, and the values of constants. */
export interface ShapeContext {
  readonly dims: Map<string, Dims>;
  readonly constants: Map<string, Tensor>;
}

function refuse(node: OnnxNode, detail: string): never {
  throw new BespokeError('invalid-request', `node "${node.name}" (${node.opType}): ${detail}`);
}

/** Dims of a node's input; the node is named if there is none. */
export function inputDims(context: ShapeContext, node: OnnxNode, index: number): Dims {
  const name = node.inputs[index];
  const dims = name === undefined ? undefined : context.dims.get(name);
  return dims ?? refuse(node, `the shape of its input ${index} is not known`);
}

function intsOf(node: OnnxNode, key: string, fallback: Dims): Dims {
  const attribute = node.attributes[key];
  return attribute?.type === 'ints' ? attribute.value : fallback;
}

function intOf(node: OnnxNode, key: string, fallback: number): number {
  const attribute: Attribute | undefined = node.attributes[key];
  return attribute?.type === 'int' ? attribute.value : fallback;
}

/** Convolutions and pools: [N, C, ...spatial] with kernel, strides, pads and dilations. */
function windowDims(node: OnnxNode, x: Dims, kernel: Dims, channels: number): Dims {
  const autoPad = node.attributes.auto_pad;
  if (autoPad?.type === 'string' && autoPad.value !== 'NOTSET') {
    refuse(node, `auto_pad ${autoPad.value} is not read; give pads`);
  }
  const rank = kernel.length;
  const ones = new Array<number>(rank).fill(1);
  const strides = intsOf(node, 'strides', ones);
  const dilations = intsOf(node, 'dilations', ones);
  const pads = intsOf(node, 'pads', new Array<number>(2 * rank).fill(0));
  const round = intOf(node, 'ceil_mode', 0) === 1 ? Math.ceil : Math.floor;
  const spatial = kernel.map((size, axis) => {
    const padded = x[2 + axis]! + pads[axis]! + pads[rank + axis]!;
    return round((padded - dilations[axis]! * (size - 1) - 1) / strides[axis]!) + 1;
  });
  return [x[0]!, channels, ...spatial];
}

function broadcast(node: OnnxNode, a: Dims, b: Dims): Dims {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      refuse(node, `[${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
    }
    return left === 1 ? right : left;
  });
}

function matMulDims(node: OnnxNode, a: Dims, b: Dims): Dims {
  if (a.length < 2 || b.length < 2 || a[a.length - 1] !== b[b.length - 2]) {
    refuse(node, `[${a.join(', ')}] and [${b.join(', ')}] cannot be multiplied`);
  }
  const batch = broadcast(node, a.slice(0, -2), b.slice(0, -2));
  return [...batch, a[a.length - 2]!, b[b.length - 1]!];
}

/** A constant list of integers given as an input. */
function constantInts(context: ShapeContext, node: OnnxNode, index: number): readonly number[] {
  const tensor = context.constants.get(node.inputs[index] ?? '');
  if (tensor === undefined) refuse(node, `its input ${index} is not a constant`);
  return Array.from(tensor.data, Number);
}

function reshapeDims(context: ShapeContext, node: OnnxNode): Dims {
  const x = inputDims(context, node, 0);
  const wanted = constantInts(context, node, 1).map((size, axis) => (size === 0 ? x[axis]! : size));
  const known = wanted.filter((size) => size >= 0).reduce((product, size) => product * size, 1);
  return wanted.map((size) => (size < 0 ? sizeOf(x) / known : size));
}

function reduceDims(context: ShapeContext, node: OnnxNode): Dims {
  const x = inputDims(context, node, 0);
  const all = x.map((_, axis) => axis);
  const given = (node.inputs[1] ?? '') === '' ? intsOf(node, 'axes', all) : constantInts(context, node, 1);
  const axes = new Set(given.map((axis) => (axis < 0 ? axis + x.length : axis)));
  if (intOf(node, 'keepdims', 1) === 1) return x.map((size, axis) => (axes.has(axis) ? 1 : size));
  return x.filter((_, axis) => !axes.has(axis));
}

function convDims(context: ShapeContext, node: OnnxNode): Dims {
  const x = inputDims(context, node, 0);
  const weight = inputDims(context, node, 1);
  const group = intOf(node, 'group', 1);
  if (x[1] !== weight[1]! * group) {
    refuse(node, `${x[1]} input channels do not fit weights [${weight.join(', ')}] in ${group} groups`);
  }
  return windowDims(node, x, weight.slice(2), weight[0]!);
}

function gemmDims(context: ShapeContext, node: OnnxNode): Dims {
  const a = inputDims(context, node, 0);
  const b = inputDims(context, node, 1);
  const [rows, inner] = intOf(node, 'transA', 0) === 1 ? [a[1]!, a[0]!] : [a[0]!, a[1]!];
  const [innerB, columns] = intOf(node, 'transB', 0) === 1 ? [b[1]!, b[0]!] : [b[0]!, b[1]!];
  if (inner !== innerB) refuse(node, `[${a.join(', ')}] and [${b.join(', ')}] cannot be multiplied`);
  return [rows, columns];
}

/** The inner dimension of a Gemm: what each output element sums over. */
export function gemmInner(context: ShapeContext, node: OnnxNode): number {
  const a = inputDims(context, node, 0);
  return intOf(node, 'transA', 0) === 1 ? a[0]! : a[1]!;
}

function flattenDims(x: Dims, axis: number): Dims {
  const at = axis < 0 ? axis + x.length : axis;
  return [sizeOf(x.slice(0, at)), sizeOf(x.slice(at))];
}

/** Dims of a node's first output. @throws BespokeError `invalid-request` for an operator whose shape rule is not known here */
function outputDims(context: ShapeContext, node: OnnxNode): Dims {
  const x = (): Dims => inputDims(context, node, 0);
  switch (node.opType) {
    case 'Conv':
      return convDims(context, node);
    case 'MaxPool':
    case 'AveragePool':
      return windowDims(node, x(), intsOf(node, 'kernel_shape', []), x()[1]!);
    case 'GlobalAveragePool':
      return [
        x()[0]!,
        x()[1]!,
        ...x()
          .slice(2)
          .map(() => 1),
      ];
    case 'Gemm':
      return gemmDims(context, node);
    case 'MatMul':
      return matMulDims(node, x(), inputDims(context, node, 1));
    case 'Add':
    case 'Sub':
    case 'Mul':
    case 'Div':
      return broadcast(node, x(), inputDims(context, node, 1));
    case 'Flatten':
      return flattenDims(x(), intOf(node, 'axis', 1));
    case 'Reshape':
      return reshapeDims(context, node);
    case 'ReduceMean':
    case 'ReduceSum':
      return reduceDims(context, node);
    case 'Transpose':
      return intsOf(node, 'perm', [...x().keys()].reverse()).map((axis) => x()[axis]!);
    case 'BatchNormalization':
    case 'Clip':
    case 'Dropout':
    case 'HardSigmoid':
    case 'HardSwish':
    case 'Identity':
    case 'LogSoftmax':
    case 'Relu':
    case 'Sigmoid':
    case 'Softmax':
      return x();
    default:
      return refuse(node, 'no shape rule is known for this operator');
  }
}

/**
 * Propagates shapes through a graph. Symbolic first dims count as 1: figures are those of one image.
 * @returns dims of every input, initialiser and first output
 * @throws BespokeError `invalid-request` for a symbolic dim elsewhere, shapes that do not fit, or an operator without a rule
 */
export function propagateShapes(graph: OnnxGraph): ShapeContext {
  const context: ShapeContext = { dims: new Map(), constants: new Map() };
  for (const { name, dims } of graph.inputs) {
    const fixed = dims.map((dim, axis) => {
      if (typeof dim === 'number') return dim;
      if (axis === 0) return 1;
      throw new BespokeError(
        'invalid-request',
        `the input "${name}" has the dim "${dim}" on axis ${axis}; only N may vary`,
      );
    });
    context.dims.set(name, fixed);
  }
  const define = (name: string, tensor: Tensor): void => {
    context.constants.set(name, tensor);
    context.dims.set(name, tensor.dims);
  };
  for (const { name, tensor } of graph.initializers) define(name, tensor);
  for (const node of graph.nodes) {
    const [out] = node.outputs;
    if (out === undefined) refuse(node, 'it has no output');
    const value = node.attributes.value;
    if (node.opType === 'Constant' && value?.type === 'tensor') define(out, value.value);
    else context.dims.set(out, outputDims(context, node));
  }
  return context;
}
