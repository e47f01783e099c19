import { canonicalJson, sha256 } from '../../src/common/hash.js';
import { makeRng, type Rng } from '../../src/common/rng.js';
import type { MobileNetV3Space, SearchSpace } from '../../src/space/types.js';
import { expectedTensors } from '../../src/supernet/expected-tensors.js';
import type { BatchNormStatistics, Subnet, Supernet } from '../../src/supernet/types.js';
import { type FloatTensor, floats, sizeOf } from '../../src/tensor/tensor.js';

/** A small space with everything that occurs: strides 1 and 2, every activation, squeeze-excite, odd sizes, optional head layers. */
export function tinySpace(changes: Partial<MobileNetV3Space> = {}): MobileNetV3Space {
  return {
    family: 'mobilenet-v3',
    id: 'tiny',
    inputChannels: 3,
    classes: 5,
    resolutions: [12, 15],
    kernelSizes: [3, 5, 7],
    expandRatios: [2, 3, 4],
    stem: { channels: 8, kernel: 3, stride: 1, activation: 'hSwish' },
    firstBlock: { channels: 8, kernel: 3, stride: 1, activation: 'relu', squeezeExcite: true },
    stages: [
      { channels: 8, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1, 2] },
      { channels: 16, stride: 2, activation: 'hSwish', squeezeExcite: true, depths: [1, 2, 3] },
      { channels: 24, stride: 1, activation: 'relu6', squeezeExcite: true, depths: [1, 2] },
    ],
    finalExpand: { channels: 32, activation: 'hSwish' },
    featureMix: { channels: 24, activation: 'hSwish', bias: false },
    kernelTransform: true,
    bnEpsilon: 1e-3,
    ...changes,
  };
}

/** A value range in which a network of random weights keeps its signal. */
function fillFor(key: string, dims: readonly number[], rng: Rng): Float32Array {
  const size = sizeOf(dims);
  const fanIn = sizeOf(dims.slice(1));
  const draw = (): number => {
    if (key.endsWith('.bn.weight')) return 0.5 + rng.next();
    if (key.includes('.transform')) return 0; // filled below
    return rng.normal() * (dims.length === 1 ? 0.2 : Math.sqrt(2 / fanIn));
  };
  const data = Float32Array.from({ length: size }, draw);
  const side = dims[0] ?? 0;
  // A transform near the identity, so that kernels stay alike, yet no entry is zero.
  if (key.includes('.transform'))
    for (let i = 0; i < size; i++) data[i] = (i % (side + 1) === 0 ? 1 : 0) + 0.1 * rng.normal();
  return data;
}

/** A supernet of random weights. */
export function randomSupernet(space: SearchSpace, seed: number): Supernet {
  const rng = makeRng(seed);
  const tensors = new Map<string, FloatTensor>();
  for (const [key, dims] of expectedTensors(space)) tensors.set(key, floats(dims, fillFor(key, dims, rng.fork(key))));
  return { space, tensors, sha256: sha256(canonicalJson({ space, seed })) };
}

/** Statistics that no network had, of plausible size: what a parity needs is that both sides use the same. */
export function randomStatistics(subnet: Subnet, seed: number): BatchNormStatistics {
  const rng = makeRng(seed);
  const statistics = new Map<string, { mean: Float32Array; variance: Float32Array }>();
  for (const { op, name, outChannels } of subnet.layers) {
    if (op !== 'conv' && op !== 'depthwise') continue;
    statistics.set(name, {
      mean: Float32Array.from({ length: outChannels }, () => 0.3 * rng.normal()),
      variance: Float32Array.from({ length: outChannels }, () => 0.5 + 2 * rng.next()),
    });
  }
  return statistics;
}

/** Standard-normal images [count, C, side, side]. */
export function randomImages(count: number, channels: number, side: number, seed: number): FloatTensor {
  const rng = makeRng(seed);
  const dims = [count, channels, side, side];
  return floats(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => rng.normal()),
  );
}
