import { invariant } from '../../common/invariant.js';
import { gemm } from '../primitives/standard.js';
import { imageDims, reshape, sameDims, showDims } from '../term.js';
import { cropTaps, padTaps } from './center-crop.js';
import type { Rule } from './op-table.js';

/**
 * A smaller depthwise kernel as a learned linear map of the centre of a larger one, shared by all channels:
 * `[C, 1, K, K]` and a matrix `[k * k, k * k]` -> `[C, 1, k, k]`, new = M crop(old), taps flattened row-major.
 * With the crops as rows of V `[C, k * k]`: Y = V M^T, so dV = dY M (then padded with zeros) and dM = dY^T V.
 *
 * Source: Cai et al. 2020, section 3.3 (elastic kernel size, figure 3).
 */
export const kernelTransform: Rule<'kernelTransform'> = {
  forward(e, { weight, matrix }, { kernel }) {
    const [channels] = imageDims(weight);
    const taps = kernel * kernel;
    invariant(
      sameDims(matrix.dims, [taps, taps]),
      () => `the transform to a ${kernel} x ${kernel} kernel is [${taps}, ${taps}], got ${showDims(matrix.dims)}`,
    );
    const cropped = cropTaps(e, weight, kernel);
    const output = reshape(e, gemm(e, cropped, matrix, { b: true }), [channels, 1, kernel, kernel]);
    return { output, kept: { cropped } };
  },
  backward(e, { inputs: { weight, matrix }, attributes: { kernel }, kept, gradient }) {
    const [channels] = imageDims(weight);
    const rows = reshape(e, gradient, [channels, kernel * kernel]);
    return {
      weight: () => padTaps(e, gemm(e, rows, matrix), kernel, weight.dims),
      matrix: () => gemm(e, rows, kept('cropped'), { a: true }),
    };
  },
};
