import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { calibrateBatchNorm } from '../../../src/evaluate/calibrate.js';
import { encodeModel } from '../../../src/onnx/codec.js';
import { createSession } from '../../../src/runtime/session.js';
import { lower } from '../../../src/space/lower.js';
import { expectedTensors } from '../../../src/supernet/expected-tensors.js';
import { inferenceModel } from '../../../src/supernet/graph.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { Supernet } from '../../../src/supernet/types.js';
import { type FloatTensor, floats, sizeOf } from '../../../src/tensor/tensor.js';
import { tinySpace } from '../../helpers/supernets.js';

interface Golden {
  readonly arch: { kernelSizes: number[]; expandRatios: number[]; depths: number[]; resolution: number };
  readonly batch: number;
  readonly images: number;
  readonly statistics: Record<string, { mean: number[]; variance: number[] }>;
  readonly logits: number[][];
}

const golden = JSON.parse(
  readFileSync(new URL('../../golden/supernet/subnet.json', import.meta.url), 'utf8'),
) as Golden;

/** float32 against PyTorch's float64, relative to the largest magnitude: about 30 layers of rounding. */
const TOLERANCE = 2e-5;

const space = tinySpace({
  id: 'golden',
  inputChannels: 1,
  classes: 4,
  stages: [
    { channels: 8, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1, 2] },
    { channels: 16, stride: 2, activation: 'hSwish', squeezeExcite: true, depths: [1, 2] },
  ],
  finalExpand: { channels: 24, activation: 'hSwish' },
  featureMix: { channels: 16, activation: 'hSwish', bias: false },
});

/** The formula of make_subnet.py. */
function wave(name: string, dims: readonly number[], scale = 1, offset = 0): Float32Array {
  const phase = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  return Float32Array.from({ length: sizeOf(dims) }, (_, i) => offset + scale * Math.sin(phase + 1.37 * i));
}

function goldenTensor(name: string, dims: readonly number[]): FloatTensor {
  if (name.endsWith('.bn.weight')) return floats(dims, wave(name, dims, 0.4, 1));
  if (name.endsWith('.bias')) return floats(dims, wave(name, dims, 0.3));
  if (name.includes('.transform')) {
    const taps = dims[0] ?? 0;
    const phase = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
    const entry = (_: unknown, i: number): number =>
      (i % (taps + 1) === 0 ? 1 : 0) + Math.fround(0.05 * Math.sin(phase + 1.37 * i));
    return floats(dims, Float32Array.from({ length: taps * taps }, entry));
  }
  return floats(dims, wave(name, dims, Math.sqrt(4 / sizeOf(dims.slice(1)))));
}

const supernet: Supernet = {
  space,
  tensors: new Map([...expectedTensors(space)].map(([name, dims]) => [name, goldenTensor(name, dims)])),
  sha256: sha256('golden'),
};

function expectClose(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const error = Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] ?? Number.NaN)))) / largest;
  expect(error, `${what}: relative error`).toBeLessThan(TOLERANCE);
}

describe('a sub-network against PyTorch in float64', () => {
  const arch = { spaceId: space.id, ...golden.arch };
  const layers = lower(space, arch);
  const subnet = sliceSubnet(supernet, arch, layers);
  const dims = [golden.images, 1, arch.resolution, arch.resolution];
  const images = floats(dims, wave('images', dims));

  it('has the same calibrated statistics and, with them, the same logits', async () => {
    const statistics = await calibrateBatchNorm(subnet, images, { batch: golden.batch, threads: 1 });
    expect([...statistics.keys()].sort()).toEqual(Object.keys(golden.statistics).sort());
    for (const [name, { mean, variance }] of Object.entries(golden.statistics)) {
      expectClose(statistics.get(name)!.mean, mean, `${name} mean`);
      expectClose(statistics.get(name)!.variance, variance, `${name} variance`);
    }
    const session = await createSession(encodeModel(inferenceModel(subnet, statistics)), {
      threads: 1,
      optimization: 'all',
    });
    const { logits } = await session.run({ input: images });
    await session.release();
    expectClose(logits!.data as Float32Array, golden.logits.flat(), 'logits');
  });
});
