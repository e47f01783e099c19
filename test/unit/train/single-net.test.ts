import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { makeRng } from '../../../src/common/rng.js';
import { canonicalArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import { lower } from '../../../src/space/lower.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { Supernet } from '../../../src/supernet/types.js';
import { floats, sizeOf } from '../../../src/tensor/tensor.js';
import { initSupernet } from '../../../src/train/initialize.js';
import { NetSession } from '../../../src/train/net-session.js';
import { flatten, layoutOf, type ParameterLayout, unflatten } from '../../../src/train/parameter-layout.js';
import { asSubnet, extractedTensors, initNet, plainSpace, singleNetSha256 } from '../../../src/train/single-net.js';
import { smoothedTargets } from '../../../src/train/targets.js';
import { tinySpace } from './tiny-run.js';

const BATCH = 6;
/** Every kernel size, both widths, one inactive slot. */
const arch: Arch = canonicalArch(tinySpace, {
  spaceId: tinySpace.id,
  kernelSizes: [3, 7, 5, 3],
  expandRatios: [2, 3, 2, 2],
  depths: [2, 1],
  resolution: 12,
});

/** A supernet of random weights whose kernel transforms are the identity. */
function roughSupernet(): Supernet {
  const noise = makeRng(3);
  const tensors = initSupernet(tinySpace, makeRng(2));
  for (const [name, { data }] of tensors) {
    if (!name.includes('.transform')) for (let i = 0; i < data.length; i++) data[i] = data[i]! + 0.1 * noise.normal();
  }
  return { space: tinySpace, tensors, sha256: sha256('rough') };
}

async function lossAndGradient(space: SearchSpace, layout: ParameterLayout, weights: Float32Array) {
  const options = { space, layout, weights, batch: BATCH, mode: 'train', lowering: { kind: 'standard' } } as const;
  const rng = makeRng(7);
  const dims = [BATCH, 1, arch.resolution, arch.resolution];
  const images = floats(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => rng.normal()),
  );
  const net = await NetSession.create(arch, options);
  const gradient = new Float32Array(layout.size);
  try {
    const { loss } = await net.run(images, smoothedTargets([0, 1, 2, 2, 1, 0], 3, 0.05), gradient);
    return { loss: loss!, gradient };
  } finally {
    await net.release();
  }
}

describe('plainSpace', () => {
  it('lowers to the same layers and costs', () => {
    expect(lower(plainSpace(tinySpace), arch)).toEqual(lower(tinySpace, arch));
  });
});

describe('a network by itself', () => {
  it('has the loss and the gradients of the same network in a supernet with identity kernel transforms', async () => {
    const supernet = roughSupernet();
    const shared = layoutOf(supernet.tensors);
    const sharedWeights = new Float32Array(shared.size);
    flatten(shared, supernet.tensors, sharedWeights);
    const within = await lossAndGradient(tinySpace, shared, sharedWeights);

    const layout = layoutOf(initNet(tinySpace, arch, makeRng(0)));
    const weights = new Float32Array(layout.size);
    flatten(layout, extractedTensors(supernet, arch), weights);
    const alone = await lossAndGradient(plainSpace(tinySpace), layout, weights);

    expect(Math.abs(alone.loss / within.loss - 1)).toBeLessThan(1e-5);
    // The supernet's gradient, cut as weights are: by identity transforms a kernel's gradient is the middle of the stored kernel's.
    const gradients = unflatten(shared, within.gradient);
    for (const [name, { data }] of supernet.tensors)
      if (name.includes('.transform')) gradients.get(name)?.data.set(data);
    const cut = sliceSubnet({ ...supernet, tensors: gradients }, arch, lower(tinySpace, arch)).tensors;
    const largest = Math.max(...alone.gradient.map(Math.abs));
    for (const [name, { data }] of unflatten(layout, alone.gradient)) {
      const expected = cut.get(name)!.data;
      // float32 sums of some hundred terms in another order.
      const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
      expect(worst, name).toBeLessThan(1e-5 * largest);
    }
    expect(largest).toBeGreaterThan(1e-3);
  });

  it('has just the parameters that its cost says, each kernel at its own size', () => {
    const tensors = initNet(tinySpace, arch, makeRng(1));
    const count = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(count).toBe(archCosts(tinySpace, arch).params);
    expect(tensors.get('stages.0.blocks.0.depthwise.weight')?.dims).toEqual([16, 1, 3, 3]);
    expect(tensors.get('stages.0.blocks.1.depthwise.weight')?.dims).toEqual([24, 1, 7, 7]);
    expect([...tensors.keys()].filter((name) => name.includes('transform'))).toEqual([]);
  });

  it('draws weights by its own width: He fan-out of the 3x3 kernel', () => {
    const samples = Array.from({ length: 200 }, (_, seed) => {
      const { data } = initNet(tinySpace, arch, makeRng(seed)).get('stages.0.blocks.0.depthwise.weight')!;
      return data.reduce((sum, value) => sum + value * value, 0) / data.length;
    });
    const variance = samples.reduce((sum, value) => sum + value, 0) / samples.length;
    expect(variance / (2 / 9)).toBeGreaterThan(0.97); // 28,800 draws: standard error 0.8 %
    expect(variance / (2 / 9)).toBeLessThan(1.03);
  });
});

describe('extractedTensors', () => {
  it('are those of the sub-network, whatever the transforms, and not running statistics', () => {
    const supernet = roughSupernet();
    const transform = supernet.tensors.get('stages.0.blocks.0.depthwise.transform7to5')!;
    transform.data[3] = 0.5;
    const withStatistics = new Map(supernet.tensors).set('stem.bn.running_mean', floats([8], new Float32Array(8)));
    const found = extractedTensors({ ...supernet, tensors: withStatistics }, arch);
    const { tensors } = sliceSubnet(supernet, arch, lower(tinySpace, arch));
    expect([...found.keys()].sort()).toEqual([...initNet(tinySpace, arch, makeRng(0)).keys()].sort());
    for (const [name, { data }] of found) expect(data, name).toEqual(tensors.get(name)!.data);
  });
});

describe('identity', () => {
  const tensors = initNet(tinySpace, arch, makeRng(1));

  it('of a run changes with the architecture and the weights at the start', () => {
    const other = new Map(tensors).set('classifier.bias', floats([3], new Float32Array([1, 0, 0])));
    const nets = [
      { arch, tensors },
      { arch: { ...arch, resolution: 8 }, tensors },
      { arch, tensors: other },
    ];
    const hashes = nets.map((net) => singleNetSha256(tinySpace, net));
    expect(new Set(hashes).size).toBe(3);
    expect(singleNetSha256(tinySpace, { arch, tensors: new Map([...tensors].reverse()) })).toBe(hashes[0]);
  });

  it('of weights is on the sub-network that is exported', () => {
    const subnet = asSubnet(tinySpace, arch, tensors);
    expect(subnet.ownWeights).toMatch(/^[0-9a-f]{64}$/);
    expect(subnet.layers).toEqual(lower(tinySpace, arch));
  });
});
