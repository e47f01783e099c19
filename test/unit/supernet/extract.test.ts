import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { assertStandardOperators, checkModel, countModelMacs } from '../../../src/onnx/check.js';
import { decodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import { lower } from '../../../src/space/lower.js';
import { parseSpace } from '../../../src/space/parse-space.js';
import { sampleArch } from '../../../src/space/sample.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { EXPORTER_REVISION, type ExtractedModel, extractSubnet } from '../../../src/supernet/extract.js';
import { foldBatchNorm } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { InputSpec, Supernet } from '../../../src/supernet/types.js';
import { floats, type Tensor } from '../../../src/tensor/tensor.js';
import { randomImages, randomStatistics, randomSupernet, tinySpace } from '../../helpers/supernets.js';

const input: InputSpec = {
  channels: 3,
  channelOrder: 'rgb',
  range: [0, 1],
  mean: [0.4, 0.5, 0.6],
  std: [0.2, 0.2, 0.3],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 1,
};
const classNames = ['a', 'b', 'c', 'd', 'e'];

function extracted(space: SearchSpace, supernet: Supernet, arch: Arch): ExtractedModel {
  const subnet = sliceSubnet(supernet, arch, lower(space, arch));
  return extractSubnet({ supernet, input, classNames }, subnet, randomStatistics(subnet, 2));
}

async function logitsOf(model: Uint8Array, images: Tensor<'float32'>): Promise<Float32Array> {
  const session = await createSession(model, { threads: 1, optimization: 'all' });
  const { logits } = await session.run({ input: images });
  await session.release();
  return logits!.data as Float32Array;
}

describe('an extracted model', () => {
  const space = tinySpace();
  const supernet = randomSupernet(space, 11);

  it.each([0, 1, 2, 3, 4, 5])(
    'of random arch %i is well formed and costs what lower() says, recounted from its graph',
    (seed) => {
      const arch = sampleArch(space, makeRng(seed));
      const { model, modelParams } = extracted(space, supernet, arch);
      const decoded = decodeModel(model);
      checkModel(decoded);
      assertStandardOperators(decoded);
      const costs = archCosts(space, arch);
      expect(countModelMacs(decoded)).toBe(costs.macs);
      expect(modelParams).toBe(costs.modelParams);
      expect(modelParams).toBe(decoded.graph.initializers.reduce((sum, { tensor }) => sum + tensor.data.length, 0));
    },
  );

  it('of the bundled space is as large as the space says, within 1 %', () => {
    const file = new URL('../../../models/fashion-mnist/space.json', import.meta.url);
    const bundled = parseSpace(JSON.parse(readFileSync(file, 'utf8')), 'space.json');
    const wide = randomSupernet(bundled, 1);
    for (const arch of [minArch(bundled), maxArch(bundled), sampleArch(bundled, makeRng(1))]) {
      const subnet = sliceSubnet(wide, arch, lower(bundled, arch));
      const { model } = extractSubnet({ supernet: wide, input, classNames: [] }, subnet, randomStatistics(subnet, 1));
      expect(Math.abs(archCosts(bundled, arch).modelBytes / model.length - 1)).toBeLessThan(0.01);
    }
  });

  it('has one dynamic input, one output, and tells what it is', () => {
    const arch = maxArch(space);
    const { graph, metadata, opsets } = decodeModel(extracted(space, supernet, arch).model);
    expect(graph.inputs).toEqual([{ name: 'input', type: 'float32', dims: ['N', 3, 15, 15] }]);
    expect(graph.outputs).toEqual([{ name: 'logits', type: 'float32', dims: ['N', 5] }]);
    expect(opsets).toEqual({ '': 17 });
    expect(JSON.parse(metadata['bespoke.input']!)).toEqual({ ...input, resolution: 15 });
    expect(JSON.parse(metadata['bespoke.arch']!)).toEqual(arch);
    expect(JSON.parse(metadata['bespoke.classes']!)).toEqual(classNames);
    const { 'bespoke.space': spaceId, 'bespoke.supernet': sha, 'bespoke.exporter': revision, ...rest } = metadata;
    expect([spaceId, sha, revision]).toEqual([space.id, supernet.sha256, String(EXPORTER_REVISION)]);
    expect(Object.keys(rest).sort()).toEqual(['bespoke.arch', 'bespoke.classes', 'bespoke.input']);
  });

  it('has the same bytes twice, also from an arch that differs in inactive slots', () => {
    const arch = { ...maxArch(space), depths: [1, 2, 1] };
    const inactive = { ...arch, kernelSizes: arch.kernelSizes.map((k, slot) => (slot === 1 || slot === 6 ? 3 : k)) };
    const first = extracted(space, supernet, arch).model;
    expect(Buffer.from(extracted(space, supernet, arch).model).equals(first)).toBe(true);
    expect(Buffer.from(extracted(space, supernet, inactive).model).equals(first)).toBe(true);
    const other = { ...arch, kernelSizes: arch.kernelSizes.map((k, slot) => (slot === 0 ? 3 : k)) };
    expect(Buffer.from(extracted(space, supernet, other).model).equals(first)).toBe(false);
  });

  it('gives every image of a batch what it gives it alone', async () => {
    const arch = maxArch(space);
    const { model } = extracted(space, supernet, arch);
    const images = randomImages(3, 3, 15, 1);
    const together = await logitsOf(model, images);
    const perImage = images.data.length / 3;
    for (let i = 0; i < 3; i++) {
      const alone = await logitsOf(model, floats([1, 3, 15, 15], images.data.slice(i * perImage, (i + 1) * perImage)));
      alone.forEach((logit, c) => {
        expect(logit).toBeCloseTo(together[i * 5 + c]!, 5);
      });
    }
  });

  it('refuses class names that do not fit the space', () => {
    const arch = maxArch(space);
    const subnet = sliceSubnet(supernet, arch, lower(space, arch));
    const source = { supernet, input, classNames: ['one'] };
    expect(() => extractSubnet(source, subnet, randomStatistics(subnet, 1))).toThrow(
      'has 5 classes, the bundle names 1',
    );
  });
});

it('folding a batch normalisation gives the convolution followed by it, in float64', () => {
  const space = tinySpace();
  const supernet = randomSupernet(space, 5);
  const arch = maxArch(space);
  const subnet = sliceSubnet(supernet, arch, lower(space, arch));
  const statistics = randomStatistics(subnet, 3);
  const layer = subnet.layers.find(({ name }) => name === 'stages.1.blocks.0.expand')!;
  if (layer.op !== 'conv') throw new Error('a conv is expected');
  const folded = foldBatchNorm(layer, subnet.tensors, statistics, space.bnEpsilon);
  const x = Float64Array.from({ length: layer.inChannels }, (_, i) => Math.cos(i));
  const weights = subnet.tensors.get(`${layer.name}.weight`)!.data;
  const gamma = subnet.tensors.get(`${layer.name}.bn.weight`)!.data;
  const beta = subnet.tensors.get(`${layer.name}.bn.bias`)!.data;
  const { mean, variance } = statistics.get(layer.name)!;
  const dot = (w: Float32Array, c: number): number =>
    x.reduce((sum, value, i) => sum + value * w[c * x.length + i]!, 0);
  for (let c = 0; c < layer.outChannels; c++) {
    const normalized = (dot(weights, c) - mean[c]!) / Math.sqrt(variance[c]! + space.bnEpsilon);
    expect(dot(folded.weight.data, c) + folded.bias.data[c]!).toBeCloseTo(normalized * gamma[c]! + beta[c]!, 5);
  }
});
