import { invariant } from '../../common/invariant.js';
import { inLayout } from '../primitives/layout.js';
import { add as emitAdd } from '../primitives/standard.js';
import { sameDims, showDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * y = a + b for equal dims (an identity shortcut); da = db = dy.
 *
 * Source: ONNX Add-14.
 */
export const add: Rule<'add'> = {
  forward(e, { a, b }) {
    invariant(sameDims(a.dims, b.dims), () => `add of ${showDims(a.dims)} and ${showDims(b.dims)}: the dims differ`);
    return { output: emitAdd(e, a, inLayout(e, b, a.layout)) };
  },
  backward: (_, { gradient }) => ({ a: () => gradient, b: () => gradient }),
};
