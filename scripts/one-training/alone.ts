import { makeRng } from '../../src/common/rng.js';
import { type Delivery, deliverSubnet } from '../../src/specialize/deliver.js';
import type { Bundle, Subnet } from '../../src/supernet/types.js';
import type { FloatTensor } from '../../src/tensor/tensor.js';
import type { TrainRunOptions } from '../../src/train/run.js';
import { asSubnet, initNet } from '../../src/train/single-net.js';
import { type NetOutcome, trainNet } from '../../src/train/single-net-run.js';

/** A training from random weights, or where it was stopped. */
export interface TrainedAlone {
  readonly outcome: NetOutcome;
  readonly delivery?: Delivery;
}

/** What is trained alone: a network of any space whose input and classes are the bundle's. */
type Subject = Pick<Subnet, 'space' | 'arch'>;
type Tensors = Subnet['tensors'];

const randomWeights = ({ space, arch }: Subject, seed: number): Map<string, FloatTensor> =>
  initNet(space, arch, makeRng(seed).fork('init'));

/** Calibrates and exports a network's own weights as a network of the bundle is. */
function deliverAlone(bundle: Bundle, { space, arch }: Subject, tensors: Tensors): Promise<Delivery> {
  const subnet = asSubnet(space, arch, tensors);
  // It was cut from no supernet: the weights it names are its own.
  const { ownWeights = bundle.supernet.sha256 } = subnet;
  return deliverSubnet({ ...bundle, supernet: { space, tensors, sha256: ownWeights } }, subnet);
}

/** A network as it is before its training: for its time, which training does not change. */
export function deliverUntrained(bundle: Bundle, subject: Subject): Promise<Delivery> {
  return deliverAlone(bundle, subject, randomWeights(subject, 1));
}

/**
 * Trains one architecture from scratch, sharing no weight, without a teacher, with plain kernels; then calibrates and exports it as a network of the
 * bundle is: on the same calibration images, with the same input.
 */
export async function trainAlone(
  bundle: Bundle,
  subject: Subject,
  options: Omit<TrainRunOptions, 'space' | 'net'>,
): Promise<TrainedAlone> {
  const { space, arch } = subject;
  const net = { arch, tensors: randomWeights(subject, options.seed) };
  const outcome = await trainNet({ ...options, space, net });
  const { tensors } = outcome;
  return tensors === undefined ? { outcome } : { outcome, delivery: await deliverAlone(bundle, subject, tensors) };
}
