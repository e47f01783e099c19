import { invariant } from '../common/invariant.js';
import { float, GraphBuilder, int, ints, type Value } from '../onnx/builder.js';
import type { OnnxModel } from '../onnx/ir.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';

/** A fully connected layer: weight `[out, in]`, bias `[out]`. */
export interface DenseLayer {
  readonly weight: FloatTensor;
  readonly bias: FloatTensor;
}

/**
 * A way past units that hardly any input makes active: a smaller MLP that gives the same, but for float32's rounding, where none of them is.
 * docs/adr/0029-units-that-rest.md
 */
export interface Shortcut {
  /** The layers without those units. */
  readonly layers: readonly DenseLayer[];
  /** The hidden layer whose units they are: 0 is the first. */
  readonly hidden: number;
  /** What they compute from the hidden layer before, or from the input: where any of it is above 0, the shortcut does not hold. */
  readonly watched: DenseLayer;
}

/** An MLP: ReLU between its layers, none after the last, whose output is one number. */
export interface Mlp {
  readonly layers: readonly DenseLayer[];
  /** Taken by the rows that it holds for; the others go through all layers. */
  readonly shortcut?: Shortcut;
}

/** Several MLPs whose mean output `z` is the top-1 `mean + std * z`. */
export interface MlpEnsemble {
  readonly members: readonly Mlp[];
  readonly mean: number;
  readonly std: number;
}

/** Number of inputs of an ensemble. */
export function inputSize(ensemble: MlpEnsemble): number {
  const size = ensemble.members[0]?.layers[0]?.weight.dims[1];
  invariant(size !== undefined, () => 'an ensemble without layers');
  return size;
}

/** The layers of an MLP in a graph. */
interface GraphLayers {
  readonly weights: readonly Value[];
  readonly biases: readonly Value[];
}

function addWeights(builder: GraphBuilder, layers: readonly DenseLayer[], prefix: string): GraphLayers {
  const add = (part: keyof DenseLayer) =>
    layers.map((layer, i) => builder.initializer(`${prefix}.layers.${i}.${part}`, layer[part]));
  return { weights: add('weight'), biases: add('bias') };
}

/** `x` [N, in] times a weight [out, in] transposed, and a bias. */
function addDense(builder: GraphBuilder, x: Value, weight: Value, bias: Value): Value {
  const attributes = { alpha: float(1), beta: float(1), transA: int(0), transB: int(1) };
  return builder.node('Gemm', [x, weight, bias], { attributes });
}

/** The first hidden layers after their ReLUs. */
function addHidden(builder: GraphBuilder, { weights, biases }: GraphLayers, encoding: Value, count: number): Value[] {
  const hidden: Value[] = [];
  for (let i = 0; i < count; i++) {
    const x = hidden[i - 1] ?? encoding;
    hidden.push(builder.node('Relu', [addDense(builder, x, weights[i]!, biases[i]!)]));
  }
  return hidden;
}

/** A row of something for each row of the encoding, from a member's layers. */
type OfLayers = (layers: GraphLayers, encoding: Value) => { readonly hidden: readonly Value[]; readonly rows: Value };

/**
 * Rows of something from a member, where it has a shortcut by that, and once more by all layers where the shortcut does not hold.
 * Each row's numbers are those of one of the two, whatever other rows there are.
 */
function addShared(
  builder: GraphBuilder,
  { layers, shortcut }: Mlp,
  encoding: Value,
  { prefix, add }: { readonly prefix: string; readonly add: OfLayers },
): Value {
  const whole = addWeights(builder, layers, prefix);
  if (shortcut === undefined) return add(whole, encoding).rows;
  const { hidden, rows } = add(addWeights(builder, shortcut.layers, `${prefix}.shortcut`), encoding);
  const before = shortcut.hidden === 0 ? encoding : hidden[shortcut.hidden - 1]!; // it has as many hidden layers
  const { weights, biases } = addWeights(builder, [shortcut.watched], `${prefix}.watched`);
  const attributes = { axes: ints([1]), keepdims: int(0) };
  const highest = builder.node('ReduceMax', [addDense(builder, before, weights[0]!, biases[0]!)], { attributes });
  const broken = builder.node('NonZero', [builder.node('Greater', [highest, builder.scalar(0)])]); // [1, rows]
  const indices = builder.node('Transpose', [broken]);
  const again = add(whole, builder.node('GatherND', [encoding, indices])).rows;
  return builder.node('ScatterND', [rows, indices, again]);
}

function addMember(builder: GraphBuilder, member: Mlp, prefix: string, encoding: Value): Value {
  const add: OfLayers = (layers, rows) => {
    const { weights, biases } = layers;
    const last = weights.length - 1;
    const hidden = addHidden(builder, layers, rows, last);
    return { hidden, rows: addDense(builder, hidden[last - 1] ?? rows, weights[last]!, biases[last]!) };
  };
  return addShared(builder, member, encoding, { prefix, add });
}

/** Multiply-adds of one row that goes through some layers. */
export const macsOf = (layers: readonly DenseLayer[]): number =>
  layers.reduce((sum, { weight }) => sum + weight.data.length, 0);

/** Multiply-adds of one row that goes through all layers. */
export function ensembleMacs({ members }: MlpEnsemble): number {
  return members.reduce((sum, { layers }) => sum + macsOf(layers), 0);
}

/** Multiply-adds of one row for which every shortcut holds. */
export function shortestMacs({ members }: MlpEnsemble): number {
  return members.reduce(
    (sum, { layers, shortcut }) =>
      sum + macsOf(shortcut === undefined ? layers : [...shortcut.layers, shortcut.watched]),
    0,
  );
}

/**
 * The ensemble as an ONNX model: input `encoding` [N, features], output `top1` [N, 1], a fraction 0..1 up to the regression's error.
 * Source: Gemm-13, Relu-14, Sum-13; with shortcuts ReduceMax-13, Greater-13, NonZero-13, GatherND-13, ScatterND-16
 */
export function ensembleModel(ensemble: MlpEnsemble): OnnxModel {
  const builder = new GraphBuilder('accuracy-predictor');
  const encoding = builder.input('encoding', 'float32', ['N', inputSize(ensemble)]);
  const outputs = ensemble.members.map((member, i) => addMember(builder, member, `members.${i}`, encoding));
  const sum = builder.node('Sum', outputs);
  const scale = builder.initializer('scale', floats([], [ensemble.std / ensemble.members.length]));
  const mean = builder.initializer('mean', floats([], [ensemble.mean]));
  const scaled = builder.node('Mul', [sum, scale]);
  const top1 = builder.node('Add', [scaled, mean], { name: 'top1' });
  builder.output(top1, 'float32', ['N', 1]);
  return builder.model();
}

/** Derivative of a member's output by its input, [N, features]: backward through its layers, each ReLU passing what its output was positive for. */
function addMemberSlopes(builder: GraphBuilder, member: Mlp, prefix: string, encoding: Value): Value {
  const add: OfLayers = (layers, rows) => {
    const { weights } = layers;
    const last = weights.length - 1;
    if (last === 0) {
      // The slopes are the weights, a row for each input.
      const none = builder.initializer(`${prefix}.none`, floats([], [0]));
      return { hidden: [], rows: builder.node('Add', [builder.node('Mul', [rows, none]), weights[0]!]) };
    }
    const hidden = addHidden(builder, layers, rows, last);
    const masks = hidden.map((x) => builder.node('Sign', [x])); // 1 where positive, else 0
    let slopes = builder.node('Mul', [masks[last - 1]!, weights[last]!]);
    for (let i = last - 1; i > 0; i--) {
      slopes = builder.node('Mul', [builder.node('MatMul', [slopes, weights[i]!]), masks[i - 1]!]);
    }
    return { hidden, rows: builder.node('MatMul', [slopes, weights[0]!]) };
  };
  return addShared(builder, member, encoding, { prefix, add });
}

/**
 * The derivatives of {@link ensembleModel} as an ONNX model: input `encoding` [N, features], output `slopes` [N, features], top-1 per unit.
 * A forward and a backward pass: twice the multiply-adds of the score.
 * Source: Gemm-13, Relu-14, Sign-13, MatMul-13, Sum-13; with shortcuts those of {@link ensembleModel}
 */
export function slopesModel(ensemble: MlpEnsemble): OnnxModel {
  const builder = new GraphBuilder('accuracy-predictor-slopes');
  const features = inputSize(ensemble);
  const encoding = builder.input('encoding', 'float32', ['N', features]);
  const each = ensemble.members.map((member, i) => addMemberSlopes(builder, member, `members.${i}`, encoding));
  const scale = builder.initializer('scale', floats([], [ensemble.std / ensemble.members.length]));
  const slopes = builder.node('Mul', [builder.node('Sum', each), scale], { name: 'slopes' });
  builder.output(slopes, 'float32', ['N', features]);
  return builder.model();
}

/**
 * What an MLP's first hidden layers give as an ONNX model: input `encoding` [N, features], outputs `hidden.<i>` [N, units], after the ReLU.
 * Source: Gemm-13, Relu-14
 */
export function hiddenModel({ layers }: Mlp, count: number): OnnxModel {
  const builder = new GraphBuilder('hidden-layers');
  const encoding = builder.input('encoding', 'float32', ['N', layers[0]!.weight.dims[1]!]);
  const used = addWeights(builder, layers.slice(0, count), 'mlp');
  addHidden(builder, used, encoding, count).forEach((value, i) => {
    const units = layers[i]!.weight.dims[0]!;
    builder.output(builder.node('Identity', [value], { name: `hidden.${i}` }), 'float32', ['N', units]);
  });
  return builder.model();
}
