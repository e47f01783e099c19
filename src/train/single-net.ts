import { canonicalJson, type Sha256, sha256 } from '../common/hash.js';
import type { Rng } from '../common/rng.js';
import { lower } from '../space/lower.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { sliceSubnet } from '../supernet/slice.js';
import type { Subnet, Supernet } from '../supernet/types.js';
import { encodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor } from '../tensor/tensor.js';
import { initLayers } from './initialize.js';

/** One network that is trained by itself, in place of a supernet. */
export interface SingleNet {
  readonly arch: Arch;
  /** The weights that it starts with: its own shapes, kernels at their active size, no transform matrices. */
  readonly tensors: ReadonlyMap<string, FloatTensor>;
}

/** What a worker thread needs of it; weights come by the shared vector. */
export type SingleNetSetup = Omit<SingleNet, 'tensors'>;

/**
 * A space as the training graph of one network by itself needs it: no kernel sizes to choose among, so that every depthwise kernel is a parameter of
 * its active size and no transform matrix stands before it. `lower()` gives the same layers for it as for the space itself.
 */
export function plainSpace(space: SearchSpace): SearchSpace {
  return { ...space, kernelSizes: [], kernelTransform: false };
}

/** Random weights of one network, each layer initialized for its own width and kernel; see `initSupernet`. */
export function initNet(space: SearchSpace, arch: Arch, rng: Rng): Map<string, FloatTensor> {
  return initLayers(plainSpace(space), lower(space, arch), rng);
}

/** A network's weights as the supernet has them: sliced, kernels transformed. The supernet's own are not changed by training them. */
export function extractedTensors(supernet: Supernet, arch: Arch): Map<string, FloatTensor> {
  const { tensors } = sliceSubnet(supernet, arch, lower(supernet.space, arch));
  // Statistics of an imported checkpoint are no weights: they are calibrated anew.
  return new Map([...tensors].filter(([name]) => !name.includes('.bn.running_')));
}

/** A trained network as one that was cut from a supernet, so that it is calibrated, exported and measured the same way. */
export function asSubnet(space: SearchSpace, arch: Arch, tensors: ReadonlyMap<string, FloatTensor>): Subnet {
  return { space, arch, layers: lower(space, arch), tensors, ownWeights: sha256(encodeSafetensors(tensors)) };
}

/** sha256 of what is trained: the architecture in its space, the weights at the start. */
export function singleNetSha256(space: SearchSpace, { arch, tensors }: SingleNet): Sha256 {
  return sha256(canonicalJson({ space, arch, tensors: sha256(encodeSafetensors(tensors)) }));
}
