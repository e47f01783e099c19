import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { maxArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import { sampleArch } from '../../../src/space/sample.js';
import { expectedTensors } from '../../../src/supernet/expected-tensors.js';
import { leadingSlice, sliceSubnet } from '../../../src/supernet/slice.js';
import { storedStatistics } from '../../../src/supernet/stored-statistics.js';
import { floats, sizeOf } from '../../../src/tensor/tensor.js';
import { randomSupernet, tinySpace } from '../../helpers/supernets.js';

const isTransform = (key: string): boolean => key.includes('.transform');

describe('leadingSlice', () => {
  it.each([
    [
      [4, 3, 2, 2],
      [2, 3, 2, 2],
    ],
    [
      [4, 3, 2, 2],
      [4, 2, 2, 2],
    ],
    [
      [4, 3, 2, 2],
      [3, 2, 1, 1],
    ],
    [
      [5, 4],
      [2, 3],
    ],
    [[7], [3]],
  ])('of %j to %j takes the entries whose every index is below the size', (dims, kept) => {
    const tensor = floats(
      dims,
      Float32Array.from({ length: sizeOf(dims) }, (_, i) => i),
    );
    const expected: number[] = [];
    for (let i = 0; i < tensor.data.length; i++) {
      const index = dims.map((size, axis) => Math.floor(i / sizeOf(dims.slice(axis + 1))) % size);
      if (index.every((at, axis) => at < kept[axis]!)) expected.push(i);
    }
    expect(leadingSlice(tensor, kept)).toEqual(floats(kept, expected));
  });

  it('refuses more than there is', () => {
    expect(() => leadingSlice(floats([2], [1, 2]), [3])).toThrow('cannot slice [3] out of [2]');
  });
});

describe('slicing a supernet', () => {
  const space = tinySpace();
  const supernet = randomSupernet(space, 7);

  it('to the largest arch is the identity, but for the transform matrices', () => {
    const arch = maxArch(space);
    const { tensors } = sliceSubnet(supernet, arch, lower(space, arch));
    const kept = [...supernet.tensors].filter(([key]) => !isTransform(key));
    expect([...tensors.keys()].sort()).toEqual(kept.map(([key]) => key).sort());
    for (const [key, tensor] of kept) expect(tensors.get(key), key).toBe(tensor);
  });

  it('gives every layer of an arch tensors of its own shapes and leaves the supernet as it was', () => {
    const before = [...supernet.tensors].map(([key, { data }]) => [key, data.slice()] as const);
    for (let seed = 0; seed < 10; seed++) {
      const arch = sampleArch(space, makeRng(seed));
      const layers = lower(space, arch);
      const { tensors } = sliceSubnet(supernet, arch, layers);
      const params = layers.reduce((sum, layer) => sum + layer.params, 0);
      expect([...tensors.values()].reduce((sum, { data }) => sum + data.length, 0)).toBe(params);
      for (const layer of layers) {
        if (layer.op !== 'conv' && layer.op !== 'depthwise') continue;
        const inPerGroup = layer.op === 'depthwise' ? 1 : layer.inChannels;
        expect(tensors.get(`${layer.name}.weight`)?.dims).toEqual([
          layer.outChannels,
          inPerGroup,
          layer.kernel,
          layer.kernel,
        ]);
      }
    }
    for (const [key, data] of before) expect(supernet.tensors.get(key)?.data).toEqual(data);
  });

  it('crops the centre where the space has no kernel transform', () => {
    const plain = tinySpace({ kernelTransform: false });
    const key = 'stages.0.blocks.0.depthwise.weight';
    expect([...expectedTensors(plain).keys()].some(isTransform)).toBe(false);
    const wide = randomSupernet(plain, 3);
    const arch = { ...maxArch(plain), kernelSizes: maxArch(plain).kernelSizes.map(() => 3) };
    const stored = wide.tensors.get(key)!.data;
    const sliced = sliceSubnet(wide, arch, lower(plain, arch)).tensors.get(key)!;
    expect(sliced.dims).toEqual([32, 1, 3, 3]);
    for (let i = 0; i < sliced.data.length; i++) {
      const [channel, row, column] = [Math.floor(i / 9), Math.floor(i / 3) % 3, i % 3];
      expect(sliced.data[i]).toBe(stored[channel * 49 + (row + 2) * 7 + column + 2]);
    }
  });

  it('slices running statistics along, and knows when there are none', () => {
    const arch = sampleArch(space, makeRng(4));
    const layers = lower(space, arch);
    expect(storedStatistics(sliceSubnet(supernet, arch, layers))).toBeUndefined();
    const tensors = new Map(supernet.tensors);
    for (const [key, { dims, data }] of supernet.tensors) {
      if (!key.endsWith('.bn.weight')) continue;
      tensors.set(
        key.replace('.weight', '.running_mean'),
        floats(
          dims,
          data.map((x) => x - 1),
        ),
      );
      tensors.set(
        key.replace('.weight', '.running_var'),
        floats(
          dims,
          data.map((x) => x * 2),
        ),
      );
    }
    const statistics = storedStatistics(sliceSubnet({ ...supernet, tensors }, arch, layers));
    const layer = layers.find(({ name }) => name === 'stages.0.blocks.0.expand')!;
    const gamma = supernet.tensors.get(`${layer.name}.bn.weight`)!.data.subarray(0, layer.outChannels);
    expect(statistics?.get(layer.name)?.variance).toEqual(gamma.map((x) => x * 2));
    expect(statistics?.size).toBe(layers.filter(({ op }) => op === 'conv' || op === 'depthwise').length);
  });
});
