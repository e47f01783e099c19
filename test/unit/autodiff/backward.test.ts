import { describe, expect, it } from 'vitest';
import { backward } from '../../../src/autodiff/backward.js';
import { RULES } from '../../../src/autodiff/rules.js';
import { Tape, type TapeNode } from '../../../src/autodiff/tape.js';
import { constant } from '../../../src/autodiff/term.js';
import { GraphBuilder } from '../../../src/onnx/builder.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { floats } from '../../../src/tensor/tensor.js';
import { runModel } from '../../gradcheck/harness.js';

function newTape(): { readonly tape: Tape; readonly builder: GraphBuilder } {
  const builder = new GraphBuilder('test');
  return { tape: new Tape(builder, { kind: 'standard' }), builder };
}

/** A node that stands for a rule with a fault: it returns what it is told as the gradient of `x`. */
function faultyNode(tape: Tape, gradients: TapeNode['gradients']): TapeNode {
  const x = tape.parameter('x', [2, 3]);
  const output = tape.apply('relu', { x }, {});
  const [recorded] = tape.nodes;
  if (recorded === undefined) throw new Error('nothing was recorded');
  tape.nodes[0] = { ...recorded, gradients };
  return { ...recorded, output };
}

describe('backward', () => {
  it('adds up the gradients of a variable that is used more than once', async () => {
    const { tape, builder } = newTape();
    const x = tape.parameter('x', [3]);
    const twice = tape.apply('add', { a: x, b: x }, {});
    const y = tape.apply('add', { a: twice, b: tape.apply('hSwish', { x }, {}) }, {});
    const gradient = backward(tape, y, constant(tape.emitter, [3], 1))(x);
    if (gradient === undefined) throw new Error('x has no gradient');
    builder.output(gradient.value, 'float32', [3]);
    const outputs = await runModel(encodeModel(builder.model()), { x: floats([3], [-6, 0, 6]) });
    // d(2 x + hSwish(x)) = 2 + {0 below -3, x / 3 + 1/2 between, 1 above 3}
    expect(outputs[gradient.value]?.data).toEqual(Float32Array.of(2, 2.5, 3));
  });

  it('emits nothing for what no parameter feeds', () => {
    const { tape, builder } = newTape();
    const images = tape.input('images', [2, 3]);
    const weight = tape.parameter('weight', [4, 3]);
    const features = tape.apply('relu', { x: images }, {});
    const y = tape.apply('linear', { x: features, weight, bias: tape.constant([4], 0) }, {});
    const before = builder.model().graph.nodes.length;
    const gradientOf = backward(tape, y, constant(tape.emitter, [2, 4], 1));
    const emitted = builder.model().graph.nodes.slice(before);
    expect(emitted.map(({ opType }) => opType)).toEqual(['Gemm']); // the weight's gradient alone
    expect(gradientOf(weight)?.dims).toEqual([4, 3]);
    expect(gradientOf(images)).toBeUndefined();
  });

  it('emits nothing for what the output does not depend on', () => {
    const { tape, builder } = newTape();
    const x = tape.parameter('x', [2]);
    const y = tape.apply('relu', { x }, {});
    const beside = tape.apply('hSwish', { x }, {});
    const before = builder.model().graph.nodes.length;
    const gradientOf = backward(tape, y, constant(tape.emitter, [2], 1));
    const emitted = builder.model().graph.nodes.slice(before);
    expect(emitted.flatMap(({ inputs }) => inputs)).not.toContain(beside.term.value);
    expect(gradientOf(beside)).toBeUndefined();
    expect(gradientOf(x)).toBeDefined();
  });

  it('starts from 1 for a scalar and wants a seed for anything else', () => {
    const { tape } = newTape();
    const logits = tape.parameter('logits', [2, 3]);
    const loss = tape.apply('softTargetCrossEntropy', { logits, targets: tape.input('targets', [2, 3]) }, {});
    expect(backward(tape, loss)(logits)?.dims).toEqual([2, 3]);
    expect(() => backward(tape, logits)).toThrow('the seed of a backward pass from [2, 3] has dims []');
    expect(() => backward(tape, logits, constant(tape.emitter, [3, 2], 1))).toThrow('has dims [3, 2]');
  });

  it('names operation and input of a gradient with other dims', () => {
    const { tape } = newTape();
    const node = faultyNode(tape, () => ({ x: () => constant(tape.emitter, [3, 2], 1) }));
    const walk = () => backward(tape, node.output, constant(tape.emitter, [2, 3], 1));
    expect(walk).toThrow(
      /relu "Relu_\d+" gave its input "x" a gradient float32 \[3, 2\]; the input is float32 \[2, 3\]/,
    );
  });

  it('names operation and input of a gradient of another type', () => {
    const { tape } = newTape();
    const node = faultyNode(tape, () => ({ x: () => ({ ...constant(tape.emitter, [2, 3], 1), type: 'int64' }) }));
    const walk = () => backward(tape, node.output, constant(tape.emitter, [2, 3], 1));
    expect(walk).toThrow(/relu "Relu_\d+" gave its input "x" a gradient int64 \[2, 3\]/);
  });

  it('names operation and input when a gradient is asked for that the operation does not have', () => {
    const { tape } = newTape();
    const targets = tape.parameter('targets', [2, 3]);
    const loss = tape.apply('softTargetCrossEntropy', { logits: tape.parameter('logits', [2, 3]), targets }, {});
    expect(() => backward(tape, loss)).toThrow(/softTargetCrossEntropy ".*" has no gradient for its input "targets"/);
  });
});

describe('operations refuse inputs that do not fit', () => {
  it.each([
    [
      'conv',
      'conv of [1, 2, 4, 4] with weights [3, 5, 3, 3]',
      { x: [1, 2, 4, 4], weight: [3, 5, 3, 3] },
      { stride: 1, padding: 1 },
    ],
    ['pointwise', 'needs weights [out, 2, 1, 1], got [3, 2, 3, 3]', { x: [1, 2, 4, 4], weight: [3, 2, 3, 3] }, {}],
    ['depthwise', 'weights [2, 1, k, k]', { x: [1, 2, 4, 4], weight: [3, 1, 3, 3] }, { stride: 1, padding: 1 }],
    [
      'batchNorm',
      'batch normalisation of 2 channels',
      { x: [1, 2, 4, 4], gamma: [3], beta: [2] },
      { epsilon: 1e-5, activation: 'none' },
    ],
    ['add', 'add of [2, 3] and [3, 2]', { a: [2, 3], b: [3, 2] }, {}],
    [
      'squeezeExcite',
      'squeeze-and-excite of [1, 2, 4, 4] with reduce [3, 2] [3], expand [3, 2] [2]',
      { x: [1, 2, 4, 4], reduceWeight: [3, 2], reduceBias: [3], expandWeight: [3, 2], expandBias: [2] },
      {},
    ],
    ['linear', 'needs a bias [4], got [3]', { x: [2, 3], weight: [4, 3], bias: [3] }, {}],
    ['linear', 'matrix product of [2, 3] and [4, 5]', { x: [2, 3], weight: [4, 5], bias: [4] }, {}],
    ['centerCrop', 'no centre of 5 x 5 taps', { weight: [2, 1, 5, 5] }, { kernel: 5 }],
    ['kernelTransform', 'is [9, 9], got [25, 25]', { weight: [2, 1, 5, 5], matrix: [25, 25] }, { kernel: 3 }],
    ['reshape', 'reshape [2, 3] to [4]: the sizes differ', { x: [2, 3] }, { dims: [4] }],
    ['softTargetCrossEntropy', 'have different dims', { logits: [2, 3], targets: [2, 4] }, {}],
  ] as const)('%s: %s', (kind, message, dims, attributes) => {
    const { tape } = newTape();
    const operands = Object.fromEntries(Object.entries(dims).map(([name, of]) => [name, tape.parameter(name, of)]));
    const terms = Object.fromEntries(Object.entries(operands).map(([name, { term }]) => [name, term]));
    const rule: { forward(e: unknown, inputs: unknown, attributes: unknown): unknown } = RULES[kind];
    expect(() => rule.forward(tape.emitter, terms, attributes)).toThrow(message);
  });
});
