import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { assertStandardOperators, checkModel, countModelMacs } from '../../../src/onnx/check.js';
import { decodeModel, encodeModel } from '../../../src/onnx/codec.js';
import type { OnnxModel } from '../../../src/onnx/ir.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import { lower } from '../../../src/space/lower.js';
import { sampleArch } from '../../../src/space/sample.js';
import type { Arch } from '../../../src/space/types.js';
import { extractSubnet } from '../../../src/supernet/extract.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { maskedSupernetModel } from '../../../src/supernet/masked-graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { FloatTensor } from '../../../src/tensor/tensor.js';
import { buildStepGraph } from '../../../src/train/step-graph.js';
import { relativeError } from '../../helpers/reference.js';
import { randomImages, randomStatistics, randomSupernet } from '../../helpers/supernets.js';
import { smallResNet } from '../space/published-spaces.js';
import { tinyResNet } from '../space/tiny-space.js';

/** Sizes 17, 9, 5 and 3: the average pool's last window reaches over the edge. */
const space = tinyResNet();
const supernet = randomSupernet(space, 5);
const archs = [minArch(space), maxArch(space), ...[1, 2, 3, 4].map((seed) => sampleArch(space, makeRng(seed)))].map(
  (arch, index): Arch => ({ ...arch, resolution: index % 2 === 0 ? 17 : 32 }),
);

async function logitsOf(model: OnnxModel, input: FloatTensor): Promise<Float32Array> {
  const session = await createSession(encodeModel(model), { threads: 1, optimization: 'all' });
  const { logits } = await session.run({ input });
  await session.release();
  if (!(logits?.data instanceof Float32Array)) throw new Error('logits are float32');
  return logits.data;
}

describe('a sub-network of a ResNet-D-like space', () => {
  it.each(archs)('is well formed, costs what lower() says and computes what its supernet does (%#)', async (arch) => {
    const layers = lower(space, arch);
    const subnet = sliceSubnet(supernet, arch, layers);
    const elements = [...subnet.tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(elements).toBe(layers.reduce((sum, layer) => sum + layer.params, 0));
    const statistics = randomStatistics(subnet, 3);
    const model = inferenceModel(subnet, statistics);
    checkModel(model);
    assertStandardOperators(model);
    expect(countModelMacs(model)).toBe(archCosts(space, arch).macs);
    const images = randomImages(2, 3, arch.resolution, 8);
    const logits = await logitsOf(model, images);
    const masked = await logitsOf(maskedSupernetModel(supernet, layers, statistics), images);
    expect(relativeError(logits, masked)).toBeLessThan(1e-5);
    expect(new Set(logits).size).toBeGreaterThan(5); // two images, five classes: the signal came through
  });

  it('has a file no larger than predicted, and at most 1 % below', () => {
    const wide = smallResNet();
    const big = randomSupernet(wide, 1);
    const input = {
      channels: 3,
      channelOrder: 'rgb',
      range: [0, 1],
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
      resize: 'bilinear',
      antialias: true,
      cropFraction: 0.875,
    } as const;
    const classNames = Array.from({ length: wide.classes }, (_, index) => `class ${index}`);
    for (const arch of [minArch(wide), maxArch(wide)]) {
      const subnet = sliceSubnet(big, arch, lower(wide, arch));
      const { model } = extractSubnet({ supernet: big, input, classNames }, subnet, randomStatistics(subnet, 1));
      const ratio = archCosts(wide, arch).modelBytes / model.length;
      expect(ratio).toBeGreaterThanOrEqual(1);
      expect(ratio).toBeLessThan(1.01);
      expect(archCosts(wide, arch).modelParams).toBe(
        decodeModel(model).graph.initializers.reduce((sum, { tensor }) => sum + tensor.data.length, 0),
      );
    }
  });

  it('is refused by training, in a sentence', () => {
    const options = { batch: 2, lowering: { kind: 'standard' }, mode: 'train' } as const;
    expect(() => buildStepGraph(space, lower(space, maxArch(space)), options)).toThrow(
      '"tiny-resnet" cannot be trained here yet: its layer "stem.pool" is a maxPool, which has no gradient rule',
    );
  });
});
