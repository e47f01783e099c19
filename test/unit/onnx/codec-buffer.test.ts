import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
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

it('writes the bytes that the protobuf library writes, weights of every length included', () => {
  const graph = new GraphBuilder('chain');
  let value = graph.input('x', 'float32', ['N', 'C']);
  // Lengths whose varints have one to four bytes, and none.
  for (const length of [0, 1, 40, 5_000, 600_000]) {
    const weights = floats(
      [length],
      Float32Array.from({ length }, (_, i) => i / 7),
    );
    value = graph.node('Add', [value, graph.initializer(`w${length}`, weights)], {
      attributes: { t: { type: 'tensor', value: floats([2], [1, 2]) } },
    });
  }
  graph.output(value, 'float32', ['N', 'C']);
  const bytes = encodeModel(graph.model({ b: 'second', a: 'first' }));
  expect(Buffer.compare(toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, bytes)), bytes)).toBe(0);
});

it('reads weights out of a view into a larger buffer, and leaves them alone', () => {
  const weights = Float32Array.from([9, 1, 2, 3, 9]).subarray(1, 4);
  const graph = new GraphBuilder('view');
  const sum = graph.node('Add', [graph.input('x', 'float32', [3]), graph.initializer('w', floats([3], weights))]);
  graph.output(sum, 'float32', [3]);
  const bytes = encodeModel(graph.model({}));
  expect(decodeModel(bytes).graph.initializers[0]?.tensor.data).toEqual(Float32Array.from([1, 2, 3]));
  bytes.fill(0);
  expect([...weights]).toEqual([1, 2, 3]);
});
