import { invariant } from '../common/invariant.js';
import { float, GraphBuilder, int, type Value } from '../onnx/builder.js';
import type { OnnxModel } from '../onnx/ir.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';

/** A fully connected layer: weight `[out, in]`, bias `[out]`. */
export interface DenseLayer {
  readonly weight: FloatTensor;
  readonly bias: FloatTensor;
}

/** An MLP: ReLU between its layers, none after the last, whose output is one number. */
export interface Mlp {
  readonly layers: readonly DenseLayer[];
}

/** Several MLPs whose mean output `z` is the top-1 `mean + std * z`. */
export interface MlpEnsemble {
  readonly members: readonly Mlp[];
  readonly mean: number;
  readonly std: number;
}

/** Weights below this are as good as zero: far below the rounding of a score, and near those that processors take a hundred times as long for. */
const NEGLIGIBLE = 2 ** -100;

/**
 * Weights without negligible ones. Weight decay leaves some in published predictors, below 1.2e-38 in great numbers (most of the
 * ResNet50 one's).
 */
function cleaned(weights: FloatTensor): FloatTensor {
  return { ...weights, data: weights.data.map((value) => (Math.abs(value) < NEGLIGIBLE ? 0 : value)) };
}

/** Number of inputs of an ensemble. */
export function inputSize(ensemble: MlpEnsemble): number {
  const size = ensemble.members[0]?.layers[0]?.weight.dims[1];
  invariant(size !== undefined, () => 'an ensemble without layers');
  return size;
}

function addMember(builder: GraphBuilder, member: Mlp, prefix: string, encoding: Value): Value {
  return member.layers.reduce((x, { weight, bias }, i) => {
    const name = `${prefix}.layers.${i}`;
    const w = builder.initializer(`${name}.weight`, cleaned(weight));
    const b = builder.initializer(`${name}.bias`, cleaned(bias));
    const attributes = { alpha: float(1), beta: float(1), transA: int(0), transB: int(1) };
    const y = builder.node('Gemm', [x, w, b], { attributes });
    return i === member.layers.length - 1 ? y : builder.node('Relu', [y]);
  }, encoding);
}

/** Multiply-adds of one row. */
export function ensembleMacs({ members }: MlpEnsemble): number {
  const sizes = members.flatMap(({ layers }) => layers.map(({ weight }) => weight.data.length));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * The ensemble as an ONNX model: input `encoding` [N, features], output `top1` [N, 1], a fraction 0..1 up to the regression's error.
 * Source: Gemm-13, Relu-14, Sum-13
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
  const last = member.layers.length - 1;
  const weights = member.layers.map(({ weight }, i) =>
    builder.initializer(`${prefix}.layers.${i}.weight`, cleaned(weight)),
  );
  const masks: Value[] = [];
  let x = encoding;
  for (let i = 0; i < last; i++) {
    const b = builder.initializer(`${prefix}.layers.${i}.bias`, cleaned(member.layers[i]!.bias));
    const attributes = { alpha: float(1), beta: float(1), transA: int(0), transB: int(1) };
    x = builder.node('Relu', [builder.node('Gemm', [x, weights[i]!, b], { attributes })]);
    masks.push(builder.node('Sign', [x])); // 1 where positive, else 0
  }
  if (last === 0) {
    // The slopes are the weights, a row for each input.
    const none = builder.initializer(`${prefix}.none`, floats([], [0]));
    return builder.node('Add', [builder.node('Mul', [encoding, none]), weights[0]!]);
  }
  let slopes = builder.node('Mul', [masks[last - 1]!, weights[last]!]);
  for (let i = last - 1; i > 0; i--) {
    slopes = builder.node('Mul', [builder.node('MatMul', [slopes, weights[i]!]), masks[i - 1]!]);
  }
  return builder.node('MatMul', [slopes, weights[0]!]);
}

/**
 * The derivatives of {@link ensembleModel} as an ONNX model: input `encoding` [N, features], output `slopes` [N, features], top-1 per unit.
 * A forward and a backward pass: twice the multiply-adds of the score.
 * Source: Gemm-13, Relu-14, Sign-13, MatMul-13, Sum-13
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
