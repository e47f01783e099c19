import { activate, activationGradient } from '../primitives/activation.js';
import type { Rule } from './op-table.js';

/**
 * y = max(0, x); dx = dy * [y > 0], 0 at the kink.
 *
 * Source: ONNX Relu-14.
 */
export const relu: Rule<'relu'> = {
  forward: (e, { x }) => ({ output: activate(e, x, 'relu') }),
  backward: (e, { output, gradient }) => ({ x: () => activationGradient(e, 'relu', gradient, { y: output }) }),
};
