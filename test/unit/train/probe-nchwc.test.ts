import { describe, expect, it } from 'vitest';
import { decodeModel } from '../../../src/onnx/codec.js';
import { tensorFrom } from '../../../src/tensor/tensor.js';
import { probeLowering, type RunModel } from '../../../src/train/probe-nchwc.js';
import { nchwc, runModel } from '../../gradcheck/harness.js';

/** The block size that a probe model was written for; undefined for the standard one. It shows in the reshaped depthwise weights. */
function blockOf(model: Uint8Array): number | undefined {
  const { nodes, initializers } = decodeModel(model).graph;
  if (!nodes.some(({ domain }) => domain === 'com.microsoft.nchwc')) return undefined;
  const shapes = initializers.map(({ tensor }) => Array.from(tensor.data, Number));
  return shapes.some((shape) => shape.join() === '2,16,9') ? 16 : 8;
}

/** Runs the standard model whatever is asked for, and hands blocked results out as `fault` says. */
function machine(fault: (block: number) => 'right' | 'refused' | 'wrong' | 'not a number'): RunModel {
  let standard: ReturnType<RunModel> | undefined;
  return async (model, feeds) => {
    const block = blockOf(model);
    standard ??= runModel(model, feeds);
    const outputs = await standard;
    const verdict = block === undefined ? 'right' : fault(block);
    if (verdict === 'refused') throw new Error('no kernel');
    const change = { right: (x: number) => x, wrong: (x: number) => -x, 'not a number': () => Number.NaN }[verdict];
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { dims, data }]) => {
        const values = Float32Array.from(data as Float32Array, name === 'grad/stem' ? change : (x) => x);
        return [name, tensorFrom('float32', dims, values)];
      }),
    );
  };
}

describe('probeLowering', () => {
  it('takes the wider block if both work', async () => {
    expect(await probeLowering(machine(() => 'right'))).toEqual({ kind: 'nchwc', block: 16 });
  });

  it.each(['refused', 'wrong', 'not a number'] as const)('takes block 8 if block 16 is %s', async (fault) => {
    const run = machine((block) => (block === 16 ? fault : 'right'));
    expect(await probeLowering(run)).toEqual({ kind: 'nchwc', block: 8 });
  });

  it.each(['refused', 'wrong', 'not a number'] as const)(
    'falls back to standard operators if all are %s',
    async (fault) => {
      expect(await probeLowering(machine(() => fault))).toEqual({ kind: 'standard' });
    },
  );

  it('finds the blocked operators that this machine has', async () => {
    expect(await probeLowering(runModel)).toEqual(nchwc);
  });
});
