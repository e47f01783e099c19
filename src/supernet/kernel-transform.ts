import { invariant } from '../common/invariant.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';

export interface KernelTransforms {
  /** The space's kernel sizes, any order: the steps that a kernel is brought down in. */
  readonly sizes: readonly number[];
  /** The matrix `[to^2, to^2]` of a step; undefined: the plain centre crop. */
  matrixOf(from: number, to: number): FloatTensor | undefined;
}

/** The centre `to` x `to` of every kernel; dims `[C, 1, from, from]` -> `[C, 1, to, to]`, both sides odd. */
function centerCrop(weight: FloatTensor, to: number): FloatTensor {
  const [channels = 0, , from = 0] = weight.dims;
  const edge = (from - to) / 2;
  const out = new Float32Array(channels * to * to);
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < to; row++) {
      const start = (c * from + row + edge) * from + edge;
      out.set(weight.data.subarray(start, start + to), (c * to + row) * to);
    }
  }
  return floats([channels, 1, to, to], out);
}

/** new = M @ old per channel, kernels flattened row-major; sums in float64, the result rounded to float32. */
function applyMatrix(weight: FloatTensor, matrix: FloatTensor): FloatTensor {
  const [channels = 0, , side = 0] = weight.dims;
  const taps = side * side;
  invariant(matrix.data.length === taps * taps, () => `a ${side}x${side} kernel needs a [${taps}, ${taps}] transform`);
  const out = new Float32Array(channels * taps);
  for (let c = 0; c < channels; c++) {
    for (let row = 0; row < taps; row++) {
      let sum = 0;
      for (let i = 0; i < taps; i++) sum += matrix.data[row * taps + i]! * weight.data[c * taps + i]!;
      out[c * taps + row] = sum;
    }
  }
  return floats(weight.dims, out);
}

/**
 * Brings depthwise kernels down to an active size, step by step through the space's sizes (7 -> 5 -> 3): each step crops the centre of the
 * kernel made by the step before and maps it with a learned matrix shared by all channels.
 * @param weight `[C, 1, K, K]`, K the largest size
 * @param to active size, one of `transforms.sizes`, or K
 * @returns `[C, 1, to, to]`; `weight` itself if nothing is to be done
 * Source: Cai et al. 2020, section 3.3 (elastic kernel size); OFA `DynamicSeparableConv2d`
 */
export function transformKernels(weight: FloatTensor, to: number, transforms: KernelTransforms): FloatTensor {
  let current = weight;
  const steps = transforms.sizes.filter((size) => size >= to && size < (weight.dims[2] ?? 0)).sort((a, b) => b - a);
  for (const size of steps) {
    const from = current.dims[2] ?? 0;
    const cropped = centerCrop(current, size);
    const matrix = transforms.matrixOf(from, size);
    current = matrix === undefined ? cropped : applyMatrix(cropped, matrix);
  }
  invariant(current.dims[2] === to, () => `kernels of side ${weight.dims[2]} cannot be brought to ${to}`);
  return current;
}
