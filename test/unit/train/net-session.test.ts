import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { makeRng } from '../../../src/common/rng.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import type { Arch } from '../../../src/space/types.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import { floats, sizeOf } from '../../../src/tensor/tensor.js';
import { initSupernet } from '../../../src/train/initialize.js';
import { NetSession, type NetSessionOptions } from '../../../src/train/net-session.js';
import { flatten, layoutOf } from '../../../src/train/parameter-layout.js';
import { tinySpace } from './tiny-run.js';

const BATCH = 4;
const tensors = initSupernet(tinySpace, makeRng(2));
const layout = layoutOf(tensors);
const rng = makeRng(9);
const targets = Float32Array.from({ length: BATCH * 3 }, (_, i) => (i % 3 === Math.floor(i / 3) % 3 ? 0.8 : 0.1));

/** Weights without the special starting values, so that every parameter has a gradient. */
function roughWeights(): Float32Array {
  const weights = new Float32Array(layout.size);
  flatten(layout, tensors, weights);
  const noise = makeRng(4);
  return weights.map((value) => value + 0.1 * noise.normal());
}

async function withNet<T>(
  arch: Arch,
  weights: Float32Array,
  work: (net: NetSession) => Promise<T>,
  executionProviders?: NetSessionOptions['executionProviders'],
): Promise<T> {
  const options = {
    executionProviders,
    space: tinySpace,
    layout,
    lowering: { kind: 'standard' },
    batch: BATCH,
    mode: 'train',
    weights,
  } as const;
  const net = await NetSession.create(arch, options);
  try {
    return await work(net);
  } finally {
    await net.release();
  }
}

/** 1 where a weight belongs to the sub-network as extraction cuts it; kernels count whole, and all transforms. */
function activeMask(arch: Arch): Uint8Array {
  const supernet = { space: tinySpace, tensors, sha256: sha256('') };
  const subnet = sliceSubnet(supernet, arch, lower(tinySpace, arch));
  const mask = new Uint8Array(layout.size);
  for (const { name, dims, offset, size } of layout.slots) {
    const cut = subnet.tensors.get(name)?.dims;
    const transform = name.includes('.transform') && subnet.tensors.has(name.replace(/transform.*/, 'weight'));
    if (transform) mask.fill(1, offset, offset + size);
    if (cut === undefined) continue;
    for (let i = 0; i < size; i++) {
      const [row, column] = [Math.floor(i / (size / dims[0]!)), Math.floor(i / sizeOf(dims.slice(2))) % (dims[1] ?? 1)];
      if (row < cut[0]! && column < (cut[1] ?? 1)) mask[offset + i] = 1;
    }
  }
  return mask;
}

const imagesFor = (arch: Arch) => {
  const dims = [BATCH, 1, arch.resolution, arch.resolution];
  return floats(
    dims,
    Float32Array.from({ length: BATCH * arch.resolution ** 2 }, () => rng.normal()),
  );
};

describe('NetSession', () => {
  it('runs on the execution providers asked for', async () => {
    const arch = minArch(tinySpace);
    const images = floats([BATCH, 1, arch.resolution, arch.resolution], new Float32Array(BATCH * arch.resolution ** 2));
    const pass = (net: NetSession) => net.run(images, targets, new Float32Array(layout.size));
    const weights = roughWeights();
    expect(await withNet(arch, weights, pass, ['cpu'])).toEqual(await withNet(arch, weights, pass));
    await expect(withNet(arch, weights, pass, ['nosuch'])).rejects.toMatchObject({ code: 'invalid-request' });
  });

  it('adds a gradient that predicts how the loss changes along it', async () => {
    const arch = { ...minArch(tinySpace), depths: [2, 1] };
    const weights = roughWeights();
    const images = imagesFor(arch);
    await withNet(arch, weights, async (net) => {
      const gradient = new Float32Array(layout.size);
      await net.run(images, targets, gradient);
      const norm = Math.hypot(...gradient);
      const start = weights.slice();
      const step = 1e-2 / norm;
      const lossAt = async (t: number): Promise<number> => {
        for (let i = 0; i < weights.length; i++) weights[i] = start[i]! + t * gradient[i]!;
        return (await net.run(images, targets, new Float32Array(layout.size))).loss!;
      };
      const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      // Central difference in float32 across ReLU kinks: a few parts in a thousand (measured), 2 % allowed.
      expect(Math.abs(slope / norm ** 2 - 1)).toBeLessThan(0.02);
    });
  });

  it('reads and changes nothing outside the active slices', async () => {
    const arch = minArch(tinySpace);
    const weights = roughWeights();
    const images = imagesFor(arch);
    const gradient = new Float32Array(layout.size);
    const loss = await withNet(arch, weights, async (net) => (await net.run(images, targets, gradient)).loss);
    const active = activeMask(arch);
    const share = active.reduce((sum, value) => sum + value, 0) / layout.size;
    expect(share).toBeLessThan(0.7); // so that there is something to spoil
    expect(gradient.every((value, i) => value === 0 || active[i] === 1)).toBe(true);
    const spoiled = weights.map((value, i) => (active[i] === 1 ? value : 1e6));
    const again = new Float32Array(layout.size);
    const spoiledLoss = await withNet(arch, spoiled, async (net) => (await net.run(images, targets, again)).loss);
    expect(spoiledLoss).toBe(loss);
    expect(again).toEqual(gradient);
  });

  it('adds up gradients of several passes', async () => {
    const arch = maxArch(tinySpace);
    const images = imagesFor(arch);
    await withNet(arch, roughWeights(), async (net) => {
      const once = new Float32Array(layout.size);
      const twice = new Float32Array(layout.size);
      await net.run(images, targets, once);
      await net.run(images, targets, twice);
      await net.run(images, targets, twice);
      expect(twice).toEqual(once.map((value) => 2 * value));
    });
  });
});
