import { invariant } from '../../common/invariant.js';
import { gemm, sumOver } from '../primitives/standard.js';
import { matrixDims, sameDims, showDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * y = x W^T + bias with x `[N, in]`, W `[out, in]`, bias `[out]`.
 *
 *   dx = dy W,   dW = dy^T x,   dbias = sum over n of dy
 *
 * Source: ONNX Gemm-13.
 */
export const linear: Rule<'linear'> = {
  forward(e, { x, weight, bias }) {
    const [out] = matrixDims(weight);
    invariant(sameDims(bias.dims, [out]), () => `linear needs a bias [${out}], got ${showDims(bias.dims)}`);
    return { output: gemm(e, x, weight, { b: true, addend: bias }) };
  },
  backward(e, { inputs: { x, weight }, gradient }) {
    return {
      x: () => gemm(e, gradient, weight),
      weight: () => gemm(e, gradient, x, { a: true }),
      bias: () => sumOver(e, gradient, [0]),
    };
  },
};
