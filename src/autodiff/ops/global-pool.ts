import { mapMeans, spreadOverMaps } from '../primitives/channels.js';
import { scaleBy } from '../primitives/standard.js';
import { imageDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * Mean over each map, `[N, C, H, W]` -> `[N, C]`; dx[n, c, p] = dy[n, c] / (H * W).
 *
 * Source: ONNX GlobalAveragePool-1.
 */
export const globalPool: Rule<'globalPool'> = {
  forward: (e, { x }) => ({ output: mapMeans(e, x) }),
  backward(e, { inputs: { x }, gradient }) {
    const [, , h, w] = imageDims(x);
    return { x: () => spreadOverMaps(e, scaleBy(e, gradient, 1 / (h * w)), x) };
  },
};
