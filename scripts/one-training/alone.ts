import { makeRng } from '../../src/common/rng.js';
import type { Arch, SearchSpace } from '../../src/space/types.js';
import { type Delivery, deliverSubnet } from '../../src/specialize/deliver.js';
import type { Bundle } from '../../src/supernet/types.js';
import type { TrainRunOptions } from '../../src/train/run.js';
import { asSubnet, initNet } from '../../src/train/single-net.js';
import { type NetOutcome, trainNet } from '../../src/train/single-net-run.js';

/** A training from random weights, or where it was stopped. */
export interface TrainedAlone {
  readonly outcome: NetOutcome;
  readonly delivery?: Delivery;
}

/**
 * Trains one architecture from scratch, sharing no weight, without a teacher, with plain kernels; then calibrates and exports it as a network of the
 * bundle is: on the same calibration images, with the same input.
 * @param subject of any space whose input and classes are the bundle's
 */
export async function trainAlone(
  bundle: Bundle,
  { space, arch }: { readonly space: SearchSpace; readonly arch: Arch },
  options: Omit<TrainRunOptions, 'space' | 'net'>,
): Promise<TrainedAlone> {
  const net = { arch, tensors: initNet(space, arch, makeRng(options.seed).fork('init')) };
  const outcome = await trainNet({ ...options, space, net });
  if (outcome.tensors === undefined) return { outcome };
  const subnet = asSubnet(space, arch, outcome.tensors);
  // It was cut from no supernet: the weights it names are its own.
  const { ownWeights = bundle.supernet.sha256 } = subnet;
  const own: Bundle = { ...bundle, supernet: { space, tensors: outcome.tensors, sha256: ownWeights } };
  return { outcome, delivery: await deliverSubnet(own, subnet) };
}
