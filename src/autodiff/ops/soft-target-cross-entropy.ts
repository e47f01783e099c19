import { invariant } from '../../common/invariant.js';
import { int } from '../../onnx/builder.js';
import { mul, scaleBy, sub, sumOver, unary } from '../primitives/standard.js';
import { emit, matrixDims, sameDims, showDims } from '../term.js';
import type { Rule } from './op-table.js';

/**
 * Mean cross entropy of predictions with target distributions (one-hot, smoothed, or a teacher's probabilities):
 * loss = -(1 / N) sum over n, k of t[n, k] * logSoftmax(logits)[n, k], each row of t summing to 1.
 *
 *   dlogits = dloss * (softmax(logits) - t) / N;   the targets have no gradient
 *
 * Source: Hinton et al. 2015 (Distilling the Knowledge in a Neural Network), section 2, at temperature 1.
 */
export const softTargetCrossEntropy: Rule<'softTargetCrossEntropy'> = {
  forward(e, { logits, targets }) {
    const [n] = matrixDims(logits);
    invariant(
      sameDims(logits.dims, targets.dims),
      () => `logits ${showDims(logits.dims)} and targets ${showDims(targets.dims)} have different dims`,
    );
    const logProbabilities = emit(e, 'LogSoftmax', [logits], { dims: logits.dims, attributes: { axis: int(-1) } });
    const output = scaleBy(e, sumOver(e, mul(e, targets, logProbabilities), [0, 1]), -1 / n);
    return { output, kept: { logProbabilities } };
  },
  backward(e, { inputs: { logits, targets }, kept, gradient }) {
    const [n] = matrixDims(logits);
    return {
      logits: () => {
        const difference = sub(e, unary(e, 'Exp', kept('logProbabilities')), targets);
        return mul(e, difference, scaleBy(e, gradient, 1 / n));
      },
    };
  },
};
