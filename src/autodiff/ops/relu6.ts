import { activate, activationGradient } from '../primitives/activation.js';
import type { Rule } from './op-table.js';

/**
 * y = min(6, max(0, x)); dx = dy * [0 < y < 6], 0 at both kinks.
 *
 * Source: Howard et al. 2017 (MobileNets), by ONNX Clip-13.
 */
export const relu6: Rule<'relu6'> = {
  forward: (e, { x }) => ({ output: activate(e, x, 'relu6') }),
  backward: (e, { output, gradient }) => ({ x: () => activationGradient(e, 'relu6', gradient, { y: output }) }),
};
