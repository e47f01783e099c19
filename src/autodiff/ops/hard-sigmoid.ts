import { hardSigmoidGradient } from '../primitives/activation.js';
import { hardSigmoid as emitHardSigmoid } from '../primitives/standard.js';
import type { Rule } from './op-table.js';

/**
 * y = relu6(x + 3) / 6; dx = dy / 6 * [0 < y < 1], 0 at both kinks.
 *
 * Source: Howard et al. 2019 (MobileNetV3), section 5.2; ONNX HardSigmoid-6.
 */
export const hardSigmoid: Rule<'hardSigmoid'> = {
  forward: (e, { x }) => ({ output: emitHardSigmoid(e, x, 1 / 6, 0.5) }),
  backward: (e, { output, gradient }) => ({ x: () => hardSigmoidGradient(e, gradient, output) }),
};
