import { describe, expect, it } from 'vitest';
import { GraphBuilder, int, ints } from '../../../src/onnx/builder.js';
import { assertStandardOperators, checkModel, countModelMacs, countModelParams } from '../../../src/onnx/check.js';
import type { OnnxGraph, OnnxModel, OnnxNode } from '../../../src/onnx/ir.js';
import { filled, floats, int64s } from '../../../src/tensor/tensor.js';

const node = (opType: string, inputs: string[], outputs: string[], domain = ''): OnnxNode => ({
  name: `${outputs[0]}/${opType}`,
  opType,
  domain,
  inputs,
  outputs,
  attributes: {},
});

/** x, w -> y = x + w; parts can be replaced. */
function model(changes: Partial<OnnxGraph> = {}, opsets: OnnxModel['opsets'] = { '': 17 }): OnnxModel {
  const graph: OnnxGraph = {
    name: 'g',
    nodes: [node('Add', ['x', 'w'], ['y'])],
    inputs: [{ name: 'x', type: 'float32', dims: ['N', 2] }],
    outputs: [{ name: 'y', type: 'float32', dims: ['N', 2] }],
    initializers: [{ name: 'w', tensor: floats([2], [1, 2]) }],
    ...changes,
  };
  return { graph, opsets, metadata: {} };
}

describe('checkModel', () => {
  it('accepts a well-formed model, with omitted optional inputs and outputs', () => {
    checkModel(model());
    checkModel(model({ nodes: [node('Clip', ['x', '', 'w'], ['y'])] }));
  });

  it.each<[string, OnnxModel, RegExp]>([
    [
      'a value that is not defined',
      model({ nodes: [node('Add', ['x', 'z'], ['y'])] }),
      /\(Add\) reads "z", which is not defined before it/,
    ],
    [
      'a value that is defined later',
      model({ nodes: [node('Relu', ['t'], ['y']), node('Relu', ['x'], ['t'])] }),
      /reads "t"/,
    ],
    [
      'a name given twice',
      model({ nodes: [node('Relu', ['x'], ['y']), node('Relu', ['x'], ['y'])] }),
      /"y" is defined twice/,
    ],
    [
      'an initializer named like an input',
      model({ initializers: [{ name: 'x', tensor: floats([1], [1]) }] }),
      /"x" is defined twice/,
    ],
    [
      'an output that nothing computes',
      model({ outputs: [{ name: 'q', type: 'float32', dims: [] }] }),
      /output "q" is not computed/,
    ],
    ['no output', model({ outputs: [] }), /has no output/],
    ['a node without outputs', model({ nodes: [node('Add', ['x', 'w'], [''])] }), /has no output/],
    [
      'an initializer of another size',
      model({ initializers: [{ name: 'w', tensor: { type: 'float32', dims: [3], data: Float32Array.of(1) } }] }),
      /dims \[3\] and 1 elements/,
    ],
    [
      'an operator that does not exist',
      model({ nodes: [node('Ad', ['x', 'w'], ['y'])] }),
      /is a Ad, which is no standard operator/,
    ],
    [
      'an undeclared domain',
      model({ nodes: [node('Gelu', ['x'], ['y'], 'com.microsoft')] }),
      /operator set is not declared/,
    ],
    [
      'an unknown domain',
      model({ nodes: [node('Foo', ['x'], ['y'], 'org.foo')] }, { '': 17, 'org.foo': 1 }),
      /domain "org\.foo"; known are/,
    ],
  ])('refuses %s', (_, broken, message) => {
    expect(() => checkModel(broken)).toThrow(message);
  });
});

describe('assertStandardOperators', () => {
  it('refuses the runtime’s own operators, which checkModel accepts', () => {
    const contrib = model({ nodes: [node('Gelu', ['x'], ['y'], 'com.microsoft')] }, { '': 17, 'com.microsoft': 1 });
    checkModel(contrib);
    expect(() => assertStandardOperators(contrib)).toThrow(/Gelu of the domain "com\.microsoft"/);
    expect(() => assertStandardOperators(model({}, { '': 17, 'com.microsoft': 1 }))).toThrow(
      /declares the operator set "com\.microsoft"/,
    );
    assertStandardOperators(model());
  });
});

describe('counting', () => {
  it('counts float initializers as weights, and no shapes', () => {
    const initializers = [
      { name: 'w', tensor: filled([2, 3], 1) },
      { name: 'scalar', tensor: floats([], [1]) },
      { name: 'shape', tensor: int64s([1, 2]) },
    ];
    expect(countModelParams(model({ initializers }))).toBe(7);
  });

  it('counts a network by hand: strided, grouped and dilated convolutions, pools, Gemm both ways, batched MatMul', () => {
    const graph = new GraphBuilder('counted');
    const weight = (...dims: number[]) => graph.initializer(graph.fresh('w'), filled(dims, 1));
    const pads = (pad: number) => ints([pad, pad, pad, pad]);
    let x = graph.input('x', 'float32', ['N', 4, 9, 9]);
    x = graph.node('Conv', [x, weight(6, 4, 3, 3), weight(6)], {
      attributes: { strides: ints([2, 2]), pads: pads(1) },
    }); // [1, 6, 5, 5]: 6*25*36
    x = graph.node('Conv', [graph.node('Relu', [x]), weight(6, 1, 3, 3)], {
      attributes: { group: int(6), dilations: ints([2, 2]), pads: pads(2) },
    }); // same map: 6*25*9
    x = graph.node('MaxPool', [x], {
      attributes: { kernel_shape: ints([2, 2]), strides: ints([2, 2]), ceil_mode: int(1) },
    }); // [1, 6, 3, 3]
    const rows = graph.node('Reshape', [x, graph.int64Const([0, 6, -1])]); // [1, 6, 9]
    const gram = graph.node('MatMul', [
      rows,
      graph.node('Transpose', [rows], { attributes: { perm: ints([0, 2, 1]) } }),
    ]); // 6*6*9
    const flat = graph.node('Flatten', [gram]); // [1, 36]
    const hidden = graph.node('Gemm', [flat, weight(5, 36)], { attributes: { transB: int(1) } }); // 5*36
    const last = graph.node('Gemm', [hidden, weight(5, 3)]); // 3*5
    graph.output(graph.node('Softmax', [last]), 'float32', ['N', 3]);
    expect(countModelMacs(graph.model())).toBe(6 * 25 * 36 + 6 * 25 * 9 + 6 * 6 * 9 + 5 * 36 + 3 * 5);
  });

  it('refuses what it cannot count, naming the node', () => {
    expect(() => countModelMacs(model({ nodes: [node('TopK', ['x', 'w'], ['y'])] }))).toThrow(
      /"y\/TopK" \(TopK\): no shape rule/,
    );
    expect(() => countModelMacs(model({ nodes: [node('MatMul', ['x', 'w'], ['y'])] }))).toThrow(/cannot be multiplied/);
    const inputs = [{ name: 'x', type: 'float32' as const, dims: [1, 'W'] }];
    expect(() => countModelMacs(model({ inputs }))).toThrow(/dim "W" on axis 1; only N may vary/);
  });
});
