import { add } from './ops/add.js';
import { batchNorm } from './ops/batch-norm.js';
import { centerCrop } from './ops/center-crop.js';
import { conv } from './ops/conv.js';
import { depthwise } from './ops/depthwise.js';
import { globalPool } from './ops/global-pool.js';
import { hSwish } from './ops/h-swish.js';
import { kernelTransform } from './ops/kernel-transform.js';
import { linear } from './ops/linear.js';
import type { OpKind, Rule } from './ops/op-table.js';
import { pointwise } from './ops/pointwise.js';
import { pointwiseBatchNorm } from './ops/pointwise-batch-norm.js';
import { relu } from './ops/relu.js';
import { relu6 } from './ops/relu6.js';
import { reshape } from './ops/reshape.js';
import { softTargetCrossEntropy } from './ops/soft-target-cross-entropy.js';
import { squeezeExcite } from './ops/squeeze-excite.js';

/** The rule of every operation; the compiler refuses a table with one missing. */
export const RULES: { readonly [K in OpKind]: Rule<K> } = {
  conv,
  pointwise,
  depthwise,
  batchNorm,
  pointwiseBatchNorm,
  relu,
  relu6,
  hSwish,
  add,
  squeezeExcite,
  globalPool,
  linear,
  centerCrop,
  kernelTransform,
  reshape,
  softTargetCrossEntropy,
};
