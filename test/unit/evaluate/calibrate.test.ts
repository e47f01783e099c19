import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { calibrateBatchNorm, calibrationInput, imagesBetween } from '../../../src/evaluate/calibrate.js';
import { assertStandardOperators, checkModel } from '../../../src/onnx/check.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { lower } from '../../../src/space/lower.js';
import { sampleArch } from '../../../src/space/sample.js';
import { calibrationModel } from '../../../src/supernet/calibration-graph.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { BatchNormStatistics, Subnet } from '../../../src/supernet/types.js';
import { randomImages, randomSupernet, tinySpace } from '../../helpers/supernets.js';

function randomSubnet(seed: number): Subnet {
  const space = tinySpace();
  const arch = sampleArch(space, makeRng(seed));
  return sliceSubnet(randomSupernet(space, seed), arch, lower(space, arch));
}

const flat = (statistics: BatchNormStatistics): number[] =>
  [...statistics.values()].flatMap(({ mean, variance }) => [...mean, ...variance]);

/** Mean and biased variance per channel of [N, C, ...] values, two passes in float64. */
function moments(
  data: Float32Array,
  [count = 0, channels = 0]: readonly number[],
): { mean: number[]; variance: number[] } {
  const plane = data.length / count / channels;
  const over = (c: number, value: (x: number) => number): number => {
    let sum = 0;
    for (let n = 0; n < count; n++) {
      for (let i = 0; i < plane; i++) sum += value(data[(n * channels + c) * plane + i]!);
    }
    return sum / (count * plane);
  };
  const mean = Array.from({ length: channels }, (_, c) => over(c, (x) => x));
  return { mean, variance: mean.map((m, c) => over(c, (x) => (x - m) ** 2)) };
}

describe('BN calibration', () => {
  it.each([1, 2, 3, 4])(
    'on one batch makes the folded network equal the normalised one: every convolution of subnet %i has the moments that its shift and scale say',
    async (seed) => {
      const subnet = randomSubnet(seed);
      const images = randomImages(16, 3, subnet.arch.resolution, seed);
      const statistics = await calibrateBatchNorm(subnet, images, { batch: 16, threads: 1 });
      // With the batch's own statistics folded in, each convolution's output has mean beta and variance gamma^2 var / (var + eps).
      const { graph, ...rest } = inferenceModel(subnet, statistics);
      const convs = subnet.layers.filter(({ op }) => op === 'conv' || op === 'depthwise');
      const nameOf = (name: string): string =>
        graph.nodes.find(({ opType, inputs }) => opType === 'Conv' && inputs[1] === `${name}.weight`)!.outputs[0]!;
      const outputs = convs.map(({ name }) => ({
        name: nameOf(name),
        type: 'float32' as const,
        dims: ['N', 'C', 'H', 'W'],
      }));
      const session = await createSession(encodeModel({ ...rest, graph: { ...graph, outputs } }), {
        threads: 1,
        optimization: 'disabled',
      });
      const values = await session.run({ input: images });
      await session.release();
      for (const { name } of convs) {
        const { data, dims } = values[nameOf(name)]!;
        const { mean, variance } = moments(data as Float32Array, dims);
        const gamma = subnet.tensors.get(`${name}.bn.weight`)!.data;
        const beta = subnet.tensors.get(`${name}.bn.bias`)!.data;
        const own = statistics.get(name)!.variance;
        mean.forEach((value, c) => {
          const wanted = (gamma[c]! ** 2 * own[c]!) / (own[c]! + subnet.space.bnEpsilon);
          expect(value, `${name} mean ${c}`).toBeCloseTo(beta[c]!, 4);
          expect(variance[c], `${name} variance ${c}`).toBeCloseTo(wanted, 4);
        });
      }
    },
  );

  it('averages batches with their sizes as weights', async () => {
    const subnet = randomSubnet(5);
    const images = randomImages(10, 3, subnet.arch.resolution, 5);
    const options = { batch: 10, threads: 1 };
    const parts = [imagesBetween(images, 0, 4), imagesBetween(images, 4, 8), imagesBetween(images, 8, 10)];
    const [a, b, c] = await Promise.all(
      parts.map(async (part) => flat(await calibrateBatchNorm(subnet, part, options))),
    );
    const together = flat(await calibrateBatchNorm(subnet, images, { ...options, batch: 4 }));
    together.forEach((value, i) => {
      expect(value).toBeCloseTo((4 * a![i]! + 4 * b![i]! + 2 * c![i]!) / 10, 5);
    });
    const differently = flat(await calibrateBatchNorm(subnet, images, options));
    expect(Math.max(...together.map((value, i) => Math.abs(value - differently[i]!)))).toBeGreaterThan(1e-3);
  });

  it('gives the same numbers twice', async () => {
    const subnet = randomSubnet(6);
    const images = randomImages(9, 3, subnet.arch.resolution, 6);
    const first = await calibrateBatchNorm(subnet, images, { batch: 4, threads: 1 });
    expect(await calibrateBatchNorm(subnet, images, { batch: 4, threads: 1 })).toEqual(first);
  });

  it('runs on standard operators alone', () => {
    const { onnx } = calibrationModel(randomSubnet(7));
    checkModel(onnx);
    assertStandardOperators(onnx);
  });

  it('stops when told to', async () => {
    const subnet = randomSubnet(8);
    const images = randomImages(2, 3, subnet.arch.resolution, 8);
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(calibrateBatchNorm(subnet, images, { batch: 1, threads: 1, signal })).rejects.toThrow('enough');
  });

  it('reads the first images of a set as the input spec says', () => {
    const set = {
      count: 3,
      height: 2,
      width: 2,
      channels: 1,
      pixels: Uint8Array.of(0, 255, 51, 102, 255, 0, 0, 0, 9, 9, 9, 9),
    };
    const spec = {
      channels: 1,
      channelOrder: 'grey',
      range: [0, 1],
      mean: [0.2],
      std: [0.5],
      resize: 'bilinear',
      antialias: true,
      cropFraction: 1,
    } as const;
    const { dims, data } = calibrationInput(set, spec, 2, 2);
    expect(dims).toEqual([2, 1, 2, 2]);
    [0, 1, 0.2, 0.4, 1, 0, 0, 0].forEach((pixel, i) => {
      expect(data[i]).toBeCloseTo((pixel - 0.2) / 0.5, 6);
    });
    expect(calibrationInput(set, spec, 2).dims[0]).toBe(3);
  });
});
