import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { encodeModel } from '../../src/onnx/codec.js';

/** Gradient and update operators of ONNX Runtime's training builds: `[domain, operator, inputs]`. */
const TRAINING_OPERATORS = [
  ['com.microsoft', 'ReluGrad', 2],
  ['com.microsoft', 'ConvGrad', 3],
  ['com.microsoft', 'BatchNormalizationGrad', 5],
  ['com.microsoft', 'SoftmaxCrossEntropyLossGrad', 3],
  ['com.microsoft', 'LayerNormalizationGrad', 4],
  ['com.microsoft', 'InPlaceAccumulatorV2', 2],
  ['ai.onnx.preview.training', 'Adam', 6],
  ['ai.onnx.preview.training', 'Gradient', 2],
] as const;

function oneNode(domain: string, opType: string, inputs: number): Uint8Array {
  const builder = new GraphBuilder('probe');
  const values = Array.from({ length: inputs }, (_, i) => builder.input(`x${i}`, 'float32', [4]));
  builder.output(builder.node(opType, values, { domain }), 'float32', [4]);
  return encodeModel(builder.model());
}

// docs/training.md and docs/adr/0001 rest on this; when it fails, read them again.
describe('the ONNX Runtime binding for Node', () => {
  it.each(TRAINING_OPERATORS)('has no %s %s', async (domain, opType, inputs) => {
    const loading = ort.InferenceSession.create(oneNode(domain, opType, inputs));
    await expect(loading).rejects.toThrow(/not a registered function\/op|No Op registered/);
  });

  it('has no training session', () => {
    expect(Object.keys(ort).filter((name) => /train/i.test(name))).toEqual([]);
  });

  it('runs what the training graph is made of: an inference operator, loaded the same way', async () => {
    const session = await ort.InferenceSession.create(oneNode('', 'Relu', 1));
    const { [session.outputNames[0] ?? '']: y } = await session.run({
      x0: new ort.Tensor('float32', [-1, 0, 1, 2], [4]),
    });
    expect([...(y?.data ?? [])]).toEqual([0, 0, 1, 2]);
    await session.release();
  });
});
