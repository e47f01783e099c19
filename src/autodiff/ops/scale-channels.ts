import { invariant } from '../../common/invariant.js';
import { mapDots, scaleMaps } from '../primitives/channels.js';
import { imageDims, sameDims, showDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * The excitation of squeeze-and-excite: y[n, c, p] = x[n, c, p] * scale[n, c], with scale `[N, C]`.
 *
 *   dx[n, c, p] = dy[n, c, p] * scale[n, c]
 *   dscale[n, c] = sum over p of dy[n, c, p] * x[n, c, p]
 *
 * Source: Hu et al. 2018 (Squeeze-and-Excitation Networks), section 3.2.
 */
export const scaleChannels: Rule<'scaleChannels'> = {
  forward(e, { x, scale }) {
    const [n, c] = imageDims(x);
    invariant(
      sameDims(scale.dims, [n, c]),
      () => `scaleChannels of ${showDims(x.dims)} needs a scale [${n}, ${c}], got ${showDims(scale.dims)}`,
    );
    return { output: scaleMaps(e, x, scale) };
  },
  backward(e, { inputs: { x, scale }, gradient }) {
    return { x: () => scaleMaps(e, gradient, scale), scale: () => mapDots(e, gradient, x) };
  },
};
