import { BespokeError } from '../common/errors.js';
import { nextStep, type Steps, stepsOf } from '../common/work.js';
import { prepareImages } from '../data/prepare-images.js';
import { calibrateBatchNorm } from '../evaluate/calibrate.js';
import { archCosts } from '../space/costs.js';
import { lower } from '../space/lower.js';
import type { Arch, ArchCosts, LayerSpec } from '../space/types.js';
import type { ExportOptions } from '../supernet/export-options.js';
import { type ExtractedModel, extractSubnet } from '../supernet/extract.js';
import { sliceSubnet } from '../supernet/slice.js';
import { storedStatistics } from '../supernet/stored-statistics.js';
import type { BatchNormStatistics, Bundle, Subnet } from '../supernet/types.js';
import type { FloatTensor } from '../tensor/tensor.js';
import { exportedPeakBytes } from './exported.js';

/**
 * Images per calibration batch. Part of what determines a model's bytes (statistics are averaged over batches): changing it needs a new
 * exporter revision. The published procedure takes 200-250 of its 224-pixel images; 50 keep the activations of these small maps in the
 * cache, which costs a quarter less, and each channel still has more than 1,000 values per batch.
 */
const CALIBRATION_BATCH = 50;
/** One thread: sums are then always in the same order, and the same architecture has the same bytes. */
const CALIBRATION_THREADS = 1;

/** A sub-network cut from the bundle, calibrated and exported; nothing of it is measured yet. */
export interface Delivery {
  readonly arch: Arch;
  readonly layers: readonly LayerSpec[];
  readonly costs: ArchCosts;
  readonly subnet: Subnet;
  readonly statistics: BatchNormStatistics;
  /** Images that the statistics were taken from; 0: not calibrated, they are the supernet's own. */
  readonly calibrationImages: number;
  readonly extracted: ExtractedModel;
}

export interface DeliverOptions extends Steps {
  readonly onStage?: (stage: 'extracting' | 'calibrating') => void;
  /** How the model is written; plainly unless told. */
  readonly exported?: ExportOptions | undefined;
}

/**
 * Cuts one architecture out of a bundle: slices the weights, calibrates batch normalisation on the bundle's calibration images (without any,
 * the supernet's own statistics stay, and `calibrationImages` is 0), folds it and writes ONNX. A function of (weights, arch, calibration images, exporter revision) alone: same inputs, same bytes.
 * @param arch canonical, in the bundle's space
 * @throws BespokeError `bundle-invalid` if the bundle has neither calibration images nor statistics
 */
export async function deliver(bundle: Bundle, arch: Arch, options: DeliverOptions = {}): Promise<Delivery> {
  const { supernet } = bundle;
  options.onStage?.('extracting');
  const subnet = sliceSubnet(supernet, arch, lower(supernet.space, arch));
  await nextStep(options);
  return deliverSubnet(bundle, subnet, options);
}

/** Everything of {@link deliver} after the cut, for a sub-network that has weights of its own: calibrated and exported the same way. */
export async function deliverSubnet(bundle: Bundle, subnet: Subnet, options: DeliverOptions = {}): Promise<Delivery> {
  const { arch, layers, space } = subnet;
  options.onStage?.('calibrating');
  const statistics = await statisticsOf(bundle, subnet, options);
  await nextStep(options);
  const extracted = extractSubnet(bundle, subnet, statistics, options.exported);
  const plain = archCosts(space, arch);
  const peakMemoryBytes = exportedPeakBytes(plain.peakMemoryBytes, { space, arch }, options.exported);
  const costs = { ...plain, peakMemoryBytes };
  return { arch, layers, costs, subnet, statistics, calibrationImages: bundle.calibration.count, extracted };
}

/** Statistics of a sub-network on the bundle's calibration images; the supernet's own where it has none. */
async function statisticsOf(
  { id, calibration, input }: Bundle,
  subnet: Subnet,
  options: DeliverOptions,
): Promise<BatchNormStatistics> {
  if (calibration.count === 0) {
    const stored = storedStatistics(subnet);
    if (stored !== undefined) return stored;
    throw new BespokeError(
      'bundle-invalid',
      `the bundle "${id}" has neither calibration images nor batch-normalization statistics of its own; a network cannot run without`,
    );
  }
  const between = (from: number, to: number): FloatTensor => {
    const indices = Array.from({ length: to - from }, (_, index) => from + index);
    return prepareImages(calibration, indices, input, subnet.arch.resolution);
  };
  const images = { count: calibration.count, between };
  return calibrateBatchNorm(subnet, images, {
    batch: CALIBRATION_BATCH,
    threads: CALIBRATION_THREADS,
    ...stepsOf(options),
  });
}
