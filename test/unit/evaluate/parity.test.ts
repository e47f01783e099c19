import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { measureParity } from '../../../src/evaluate/parity.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { lower } from '../../../src/space/lower.js';
import { sampleArch } from '../../../src/space/sample.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import { floats } from '../../../src/tensor/tensor.js';
import { randomImages, randomStatistics, randomSupernet, tinySpace } from '../../helpers/supernets.js';

/** float32 rounding of two different computations of about 40 layers. */
const TOLERANCE = 1e-5;

function subjectOf(space: SearchSpace, seed: number) {
  const supernet = randomSupernet(space, seed);
  const arch = sampleArch(space, makeRng(seed));
  const layers = lower(space, arch);
  const subnet = sliceSubnet(supernet, arch, layers);
  const statistics = randomStatistics(subnet, seed);
  const model = encodeModel(inferenceModel(subnet, statistics));
  return { arch, subject: { model, supernet, layers, statistics } };
}

describe('parity of an extracted model with the masked supernet', () => {
  it.each([
    ['kernel transforms, squeeze-excite, all activations', tinySpace()],
    [
      'centre crops, a biased feature mix',
      tinySpace({ kernelTransform: false, featureMix: { channels: 16, activation: 'relu6', bias: true } }),
    ],
    ['kernels of 3 and 5 alone', tinySpace({ kernelSizes: [3, 5] })],
  ])('holds for random archs of a space with %s', async (_, space) => {
    for (let seed = 1; seed <= 4; seed++) {
      const { arch, subject } = subjectOf(space, seed);
      const images = randomImages(7, 3, arch.resolution, seed);
      const parity = await measureParity(subject, images, { threads: 1, batch: 3 });
      expect(parity.images).toBe(7);
      expect(parity.maxAbsLogit).toBeGreaterThan(0.01);
      expect(parity.relative, `seed ${seed}`).toBeLessThan(TOLERANCE);
    }
  });

  it('is broken by one changed weight of the supernet', async () => {
    const { arch, subject } = subjectOf(tinySpace(), 3);
    const tensors = new Map(subject.supernet.tensors);
    const key = 'stages.0.blocks.0.depthwise.weight';
    const { dims, data } = tensors.get(key)!;
    tensors.set(
      key,
      floats(
        dims,
        data.map((value, i) => (i === 24 ? value + 0.5 : value)),
      ),
    ); // the centre of the first kernel
    const changed = { ...subject, supernet: { ...subject.supernet, tensors } };
    const parity = await measureParity(changed, randomImages(4, 3, arch.resolution, 3), { threads: 1 });
    expect(parity.relative).toBeGreaterThan(10 * TOLERANCE);
  });

  it('is infinite where a logit is not a number', async () => {
    const { arch, subject } = subjectOf(tinySpace(), 3);
    const images = randomImages(2, 3, arch.resolution, 3);
    images.data[0] = Number.NaN;
    expect((await measureParity(subject, images, { threads: 1 })).relative).toBe(Number.POSITIVE_INFINITY);
  });

  it('stops when told to', async () => {
    const { arch, subject } = subjectOf(tinySpace(), 3);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(
      measureParity(subject, randomImages(2, 3, arch.resolution, 3), { threads: 1, signal }),
    ).rejects.toThrow('enough');
  });
});
