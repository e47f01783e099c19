import { meanOf } from '../../common/mean.js';
import { makeRng, shuffled } from '../../common/rng.js';
import { prepareImages } from '../../data/prepare-images.js';
import { calibrateBatchNorm, calibrationInput } from '../../evaluate/calibrate.js';
import { labelLeads } from '../../evaluate/top1.js';
import { createSession } from '../../runtime/session.js';
import { lower } from '../../space/lower.js';
import type { Arch } from '../../space/types.js';
import { extractSubnet } from '../../supernet/extract.js';
import { sliceSubnet } from '../../supernet/slice.js';
import type { Bundle } from '../../supernet/types.js';
import type { ImageSet } from '../../tensor/image-set.js';
import type { FloatTensor } from '../../tensor/tensor.js';

/** The measured accuracy of one architecture, with its own batch-normalization statistics. */
export interface ArchLabel {
  /** Fraction 0..1 on all label images. */
  readonly top1: number;
  /** On each of two random halves of them, the same halves for every architecture. */
  readonly halves: readonly [number, number];
  /**
   * Soft top-1 on the same halves: the mean over images of p / (p + q), p the probability of the image's class, q that of its strongest rival. Top-1
   * counts an image by whether this is above one half; here a narrow guess counts as about one half, which differs less between one set of images and
   * another.
   */
  readonly soft: readonly [number, number];
}

/** What labels are measured with. */
export interface LabelSetting {
  readonly bundle: Bundle;
  /** Labeled images that no weight was trained on. */
  readonly images: ImageSet;
  /** Indices of those that count, into `images`. */
  readonly indices: readonly number[];
  readonly calibrationImages: number;
  readonly calibrationBatch: number;
}

/** Which half each label image belongs to; fixed, so that halves of different architectures compare. */
const HALVES_SEED = 17;

/** Images per run of the folded network: few enough that activations stay in the cache. */
const BATCH = 25;

/** p / (p + q) of two logits: the logistic function of their difference. A network that gives no number is right of nothing. */
const shareOfLead = (lead: number): number => (Number.isNaN(lead) ? 0 : 1 / (1 + Math.exp(-lead)));

export interface Labeler {
  label(arch: Arch): Promise<ArchLabel>;
}

/** Prepares images once per resolution; every label then costs one calibration and one pass over the label images. */
export function makeLabeler(setting: LabelSetting): Labeler {
  const { bundle, images, indices } = setting;
  const { supernet, input } = bundle;
  const prepared = new Map<number, { readonly calibration: FloatTensor; readonly images: FloatTensor }>();
  const order = shuffled(indices, makeRng(HALVES_SEED));
  const labels = Uint8Array.from(order, (i) => images.labels?.[i] ?? 255);
  const middle = order.length >> 1;
  const preparedAt = (resolution: number): { readonly calibration: FloatTensor; readonly images: FloatTensor } => {
    const made = prepared.get(resolution) ?? {
      calibration: calibrationInput(bundle.calibration, input, resolution, setting.calibrationImages),
      images: prepareImages(images, order, input, resolution),
    };
    prepared.set(resolution, made);
    return made;
  };
  /** Mean on each half. */
  const onHalves = (values: Float64Array): readonly [number, number] => [
    meanOf(values.subarray(0, middle)),
    meanOf(values.subarray(middle)),
  ];
  return {
    label: async (arch) => {
      const at = preparedAt(arch.resolution);
      const subnet = sliceSubnet(supernet, arch, lower(supernet.space, arch));
      const options = { batch: setting.calibrationBatch, threads: 1 };
      const statistics = await calibrateBatchNorm(subnet, at.calibration, options);
      const { model } = extractSubnet(bundle, subnet, statistics);
      const session = await createSession(model, { threads: 1, optimization: 'all' });
      try {
        const leads = await labelLeads(session, at.images, labels, { batch: BATCH });
        const correct = leads.map((lead) => (lead > 0 ? 1 : 0));
        const soft = leads.map(shareOfLead);
        return { top1: meanOf(correct), halves: onHalves(correct), soft: onHalves(soft) };
      } finally {
        await session.release();
      }
    },
  };
}
