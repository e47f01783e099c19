import { invariant } from '../common/invariant.js';
import type { Rng } from '../common/rng.js';
import type { SearchSpace } from '../space/types.js';
import { type FloatTensor, filled, floats, sizeOf } from '../tensor/tensor.js';
import { expectedTensors, optionalTensors } from './expected-tensors.js';
import type { SupernetTensors } from './types.js';

/** The layer that the published code makes as a linear one; squeeze-excite and feature mix are 1x1 convolutions there. */
const CLASSIFIER_WEIGHT = 'classifier.weight';

/** He fan-out: the fan is the kernel's area times the output channels, for depthwise convolutions too. */
function convolution(dims: readonly number[], rng: Rng): FloatTensor {
  const [outChannels = 1, , height = 1, width = 1] = dims;
  const std = Math.sqrt(2 / (height * width * outChannels));
  const data = new Float32Array(sizeOf(dims));
  for (let i = 0; i < data.length; i++) data[i] = std * rng.normal();
  return floats(dims, data);
}

/** Uniform within 1 / sqrt(inputs) of zero. */
function classifier(dims: readonly number[], rng: Rng): FloatTensor {
  const bound = 1 / Math.sqrt(dims[1] ?? 1);
  const data = new Float32Array(sizeOf(dims));
  for (let i = 0; i < data.length; i++) data[i] = bound * (2 * rng.next() - 1);
  return floats(dims, data);
}

/** A transform that leaves the middle of the larger kernel as it is. */
function identity(dims: readonly number[]): FloatTensor {
  const [side = 0] = dims;
  const tensor = filled(dims, 0);
  for (let i = 0; i < side; i++) tensor.data[i * side + i] = 1;
  return tensor;
}

function initialTensor(name: string, dims: readonly number[], rng: Rng): FloatTensor {
  if (/\.bn\.(weight|running_var)$/.test(name)) return filled(dims, 1);
  if (/\.(bias|running_mean)$/.test(name)) return filled(dims, 0);
  if (/\.transform\d+to\d+$/.test(name)) return identity(dims);
  invariant(name.endsWith('.weight'), () => `a supernet's tensor "${name}" has no initial value`);
  return name === CLASSIFIER_WEIGHT ? classifier(dims, rng) : convolution(dims, rng);
}

/**
 * A supernet that was never trained, as the published code makes one: He fan-out for convolutions, batch-norm scale 1, shift 0 and statistics
 * of mean 0 and variance 1, identity kernel transforms, a uniform classifier, biases 0. (Training here starts from other weights.)
 * @param rng is not advanced; every tensor draws from a fork by its name, so equal seeds give equal weights
 * @returns every tensor that the space asks for, running statistics among them
 * Source: mit-han-lab/once-for-all, `init_models` with `he_fout`
 */
export function randomWeights(space: SearchSpace, rng: Rng): SupernetTensors {
  const shapes = [...expectedTensors(space), ...optionalTensors(space)];
  return new Map(shapes.map(([name, dims]) => [name, initialTensor(name, dims, rng.fork(name))]));
}
