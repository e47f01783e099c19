import { toPlain } from '../primitives/nchwc.js';
import { reshape as emitReshape } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * The same elements in row-major order under other dims; the gradient goes back to the old ones.
 *
 * Source: ONNX Reshape-14.
 */
export const reshape: Rule<'reshape'> = {
  forward: (e, { x }, { dims }) => ({ output: emitReshape(e, toPlain(e, x), dims) }),
  backward: (e, { inputs: { x }, gradient }) => ({ x: () => emitReshape(e, gradient, x.dims) }),
};
