import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/builder.js';
import { decodeModel, encodeModel } from '../../../src/onnx/codec.js';
import { floats } from '../../../src/tensor/tensor.js';

it('decodes the bytes of a file as Node reads them, a Buffer', () => {
  const graph = new GraphBuilder('add');
  const sum = graph.node('Add', [graph.input('x', 'float32', [2]), graph.initializer('w', floats([2], [1, -2.5]))]);
  graph.output(sum, 'float32', [2]);
  const model = graph.model({ key: 'value' });
  expect(decodeModel(Buffer.from(encodeModel(model)))).toEqual(model);
});
