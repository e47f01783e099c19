import * as web from 'onnxruntime-web';
import { expect, it } from 'vitest';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import { randomImages, randomStatistics, randomSupernet, tinySpace } from '../../helpers/supernets.js';

it('an extracted model gives the same logits in the WebAssembly runtime', async () => {
  const space = tinySpace();
  const arch = maxArch(space);
  const subnet = sliceSubnet(randomSupernet(space, 1), arch, lower(space, arch));
  const model = encodeModel(inferenceModel(subnet, randomStatistics(subnet, 1)));
  const images = randomImages(4, 3, arch.resolution, 2);

  const session = await createSession(model, { threads: 1, optimization: 'all' });
  const { logits } = await session.run({ input: images });
  await session.release();

  web.env.wasm.numThreads = 1;
  const webSession = await web.InferenceSession.create(model, { executionProviders: ['wasm'] });
  const { logits: webLogits } = await webSession.run({ input: new web.Tensor('float32', images.data, images.dims) });
  await webSession.release();

  const native = logits!.data as Float32Array;
  const other = webLogits!.data as Float32Array;
  const largest = Math.max(...native.map(Math.abs));
  const error = Math.max(...native.map((value, i) => Math.abs(value - other[i]!))) / largest;
  expect(other.length).toBe(4 * 5);
  expect(largest).toBeGreaterThan(0.01);
  expect(error).toBeLessThan(1e-4);
});
