import { describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { GraphBuilder } from '../../../src/onnx/builder.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession, runtimeVersion, type SessionOptions } from '../../../src/runtime/session.js';
import { type ElementType, floats, int64s, type Tensor, tensorFrom } from '../../../src/tensor/tensor.js';

const options: SessionOptions = { threads: 1, optimization: 'disabled' };

/** A model that hands each input on under the name `<name>.out`. */
function passThrough(inputs: Readonly<Record<string, ElementType>>): Uint8Array {
  const graph = new GraphBuilder('pass');
  for (const [name, type] of Object.entries(inputs)) {
    const out = graph.node('Identity', [graph.input(name, type, ['N'])], { name: `${name}.out` });
    graph.output(out, type, ['N']);
  }
  return encodeModel(graph.model());
}

describe('a session', () => {
  it('takes and gives every element type', async () => {
    const feeds: Record<string, Tensor> = {
      f: floats([2], [1.5, -2]),
      d: tensorFrom('float64', [1], Float64Array.of(Math.PI)),
      i: tensorFrom('int32', [2], Int32Array.of(-1, 7)),
      l: int64s([2 ** 40]),
      u: tensorFrom('uint8', [2], Uint8Array.of(0, 255)),
      b: tensorFrom('bool', [3], Uint8Array.of(1, 0, 1)),
    };
    const types = Object.fromEntries(Object.entries(feeds).map(([name, { type }]) => [name, type]));
    const session = await createSession(passThrough(types), options);
    expect([...session.inputNames].sort()).toEqual(Object.keys(feeds).sort());
    const results = await session.run(feeds);
    await session.release();
    expect(Object.keys(results).sort()).toEqual([...session.outputNames].sort());
    for (const [name, tensor] of Object.entries(feeds)) expect(results[`${name}.out`]).toEqual(tensor);
  });

  it('gives the outputs that are named alone', async () => {
    const session = await createSession(passThrough({ a: 'float32', b: 'float32' }), options);
    const results = await session.run({ a: floats([1], [1]), b: floats([1], [2]) }, ['b.out']);
    await session.release();
    expect(results).toEqual({ 'b.out': floats([1], [2]) });
  });

  it('reads views with an offset and shared memory', async () => {
    const session = await createSession(passThrough({ a: 'float32' }), options);
    const view = Float32Array.of(9, 1, 2).subarray(1);
    expect((await session.run({ a: floats([2], view) }))['a.out']?.data).toEqual(Float32Array.of(1, 2));
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared.set([3, 4]);
    expect((await session.run({ a: floats([2], shared) }))['a.out']?.data).toEqual(Float32Array.of(3, 4));
    await session.release();
  });

  it('is released once, and not run afterwards', async () => {
    const session = await createSession(passThrough({ a: 'float32' }), options);
    await session.release();
    await session.release();
    await expect(session.run({ a: floats([1], [1]) })).rejects.toThrow('a released session was run');
  });

  it('refuses bytes and operators that ONNX Runtime refuses, in one sentence', async () => {
    const graph = new GraphBuilder('odd');
    graph.output(graph.node('NoSuchOperator', [graph.input('x', 'float32', [1])]), 'float32', [1]);
    for (const model of [Uint8Array.of(1, 2, 3), encodeModel(graph.model())]) {
      const error = await createSession(model, options).then(undefined, (reason: unknown) => reason);
      expect(error).toBeInstanceOf(BespokeError);
      expect((error as BespokeError).code).toBe('invalid-request');
      expect((error as BespokeError).message).toMatch(/^ONNX Runtime \S+ refuses the model of \d+ bytes: [^\n]+$/);
    }
  });

  it('knows its runtime', () => {
    expect(runtimeVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});
