import { activate, activationGradient } from '../primitives/activation.js';
import type { Rule } from './op-table.js';

/**
 * y = x * relu6(x + 3) / 6; dy/dx = 0 below -3, x / 3 + 1/2 between, 1 above 3.
 *
 * Source: Howard et al. 2019 (MobileNetV3), section 5.2; ONNX HardSwish-14.
 */
export const hSwish: Rule<'hSwish'> = {
  forward: (e, { x }) => ({ output: activate(e, x, 'hSwish') }),
  backward: (e, { inputs: { x }, output, gradient }) => ({
    x: () => activationGradient(e, 'hSwish', gradient, { y: output, x }),
  }),
};
