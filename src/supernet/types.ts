import type { Sha256 } from '../common/hash.js';
import type { Arch, LayerSpec, SearchSpace } from '../space/types.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';
import type { FloatTensor } from '../tensor/tensor.js';

export type { ImageSet, InputSpec } from '../tensor/image-set.js';

/**
 * A trained supernet's tensors, keyed `<layer name>.<part>` with the layer names of `lower()`:
 * convolutions `X.weight` [out, in/groups, K, K] (depthwise: K = the largest kernel) and `X.bn.weight|bias` [out] (always present);
 * depthwise with kernel transform: `X.transform7to5` [25, 25], `X.transform5to3` [9, 9];
 * squeeze-excite: `X.reduce.weight` [mid, C], `X.reduce.bias` [mid], `X.expand.weight` [C, mid], `X.expand.bias` [C];
 * linear: `X.weight` [out, in], `X.bias` [out].
 * `X.bn.running_mean|running_var` may be present (imported checkpoints); supernets trained here have none: statistics are calibrated per sub-network.
 */
export type SupernetTensors = ReadonlyMap<string, FloatTensor>;

export interface Supernet {
  readonly space: SearchSpace;
  readonly tensors: SupernetTensors;
  /** sha256 of the weights file. */
  readonly sha256: Sha256;
}

/** A sub-network's own tensors (same keys, sliced to the active shapes, kernels transformed: no transform matrices left). */
export interface Subnet {
  readonly space: SearchSpace;
  readonly arch: Arch;
  readonly layers: readonly LayerSpec[];
  readonly tensors: SupernetTensors;
  /** sha256 of its tensors where they are its own: fine-tuned, or trained alone. */
  readonly ownWeights?: Sha256;
}

/** Mean and (biased) variance per BN channel, keyed by layer name. */
export type BatchNormStatistics = ReadonlyMap<string, { readonly mean: Float32Array; readonly variance: Float32Array }>;

/** Everything that is served as one: a folder, content-addressed. */
export interface Bundle {
  readonly id: string;
  readonly title: string;
  readonly dir: string;
  readonly supernet: Supernet;
  readonly input: InputSpec;
  readonly classNames: readonly string[];
  readonly calibration: ImageSet;
  readonly verification: ImageSet;
  /** Figures of the model card (test top-1 of named nets, predictor quality), as in bundle.json. */
  readonly figures: Readonly<Record<string, unknown>>;
}
