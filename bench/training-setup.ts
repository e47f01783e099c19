import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRng, type Rng } from '../src/common/rng.js';
import { maxArch } from '../src/space/arch.js';
import { archCosts } from '../src/space/costs.js';
import { lower } from '../src/space/lower.js';
import { sampleArch } from '../src/space/sample.js';
import type { Arch, SearchSpace } from '../src/space/types.js';
import { type FloatTensor, floats } from '../src/tensor/tensor.js';
import { initSupernet } from '../src/train/initialize.js';
import { flatten, layoutOf, type ParameterLayout } from '../src/train/parameter-layout.js';

/** Settings of the update that both trainers make after every step. */
export const UPDATE = { lr: 1e-3, momentum: 0.9, weightDecay: 1e-4, clipNorm: 4 } as const;

/** Sub-networks that the mean one is chosen from. */
const SAMPLES = 500;

/** The sampled sub-network whose multiply-accumulates are nearest to the sample's mean. */
export function meanArch(space: SearchSpace, rng: Rng): Arch {
  const archs = Array.from({ length: SAMPLES }, () => sampleArch(space, rng));
  const macs = archs.map((arch) => archCosts(space, arch).macs);
  const mean = macs.reduce((sum, value) => sum + value, 0) / SAMPLES;
  const distance = (i: number): number => Math.abs((macs[i] ?? 0) - mean);
  const nearest = macs.reduce((best, _, i) => (distance(i) < distance(best) ? i : best), 0);
  return archs[nearest] ?? maxArch(space);
}

/** A supernet's first weights with noise on them, so that no part of a network is zero; the same for the same seed. */
export function roughWeights(
  space: SearchSpace,
  seed: number,
): { readonly layout: ParameterLayout; readonly weights: Float32Array } {
  const tensors = initSupernet(space, makeRng(seed));
  const layout = layoutOf(tensors);
  const weights = new Float32Array(layout.size);
  flatten(layout, tensors, weights);
  const noise = makeRng(seed).fork('noise');
  return { layout, weights: weights.map((value) => value + 0.02 * noise.normal()) };
}

/** Normal images and smoothed labels, the same for the same seed. */
export function benchBatch(
  space: SearchSpace,
  seed: number,
  { count, resolution }: { readonly count: number; readonly resolution: number },
): { readonly images: FloatTensor; readonly targets: Float32Array } {
  const { classes, inputChannels } = space;
  const rng = makeRng(seed).fork('images').fork(resolution);
  const data = Float32Array.from({ length: count * inputChannels * resolution ** 2 }, () => rng.normal());
  const targets = Float32Array.from({ length: count * classes }, (_, i) => {
    const isLabel = i % classes === Math.floor(i / classes) % classes;
    return 0.05 / classes + (isLabel ? 0.95 : 0);
  });
  return { images: floats([count, inputChannels, resolution, resolution], data), targets };
}

/** What the other trainer reads: raw float32 files in `dir`, and what lies where. */
export function writeSetup(dir: string, space: SearchSpace, seed: number, count: number) {
  const file = (name: string, data: Float32Array): string => {
    const path = join(dir, `${name}.f32`);
    writeFileSync(path, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return path;
  };
  const { layout, weights } = roughWeights(space, seed);
  const batches = space.resolutions.map((resolution) => {
    const { images, targets } = benchBatch(space, seed, { count, resolution });
    return { resolution, images: file(`images-${resolution}`, images.data), targets: file('targets', targets) };
  });
  return {
    weights: file('weights', weights),
    slots: layout.slots,
    images: Object.fromEntries(batches.map(({ resolution, images }) => [resolution, images])),
    targets: batches[0]?.targets,
    classes: space.classes,
    channels: space.inputChannels,
    kernelSizes: space.kernelSizes,
    epsilon: space.bnEpsilon,
    update: UPDATE,
  };
}

/** A network as the other trainer builds it: the very layers that our step graph is made from. */
export function describeNet(space: SearchSpace, arch: Arch) {
  return { resolution: arch.resolution, layers: lower(space, arch) };
}
