import { readFile } from 'node:fs/promises';
import { makeRng, shuffled } from '../common/rng.js';
import type { WorkOptions } from '../common/work.js';
import type { ImageSource } from '../data/image-source.js';
import type { SearchSpace } from '../space/types.js';
import { writeBundle } from '../supernet/bundle.js';
import type { ImageSet } from '../tensor/image-set.js';
import { decodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor } from '../tensor/tensor.js';
import { DATA_FIGURE, type DataRecord } from './data-record.js';
import { recordedSplits, recordedTarget } from './training-data.js';

/** Calibration images of a bundle: the published procedure's 2,000 training images (ofa_nets' set_running_statistics). */
const CALIBRATION_COUNT = 2_000;
/** Images of a bundle's calibration, and of its verification, are at most so many bytes: it is loaded whole. */
const MOST_BYTES = 64 * 2 ** 20;

export interface MakeBundleOptions extends WorkOptions {
  readonly id: string;
  readonly title: string;
  readonly space: SearchSpace;
  /** safetensors file of a trained supernet. */
  readonly weightsPath: string;
  /** The images it was trained on; a test part is not touched. */
  readonly source: ImageSource;
  /** What the training run wrote down about them. */
  readonly record: DataRecord;
  readonly outDir: string;
  /** Further files of the bundle by name: the data set's notice, for one. */
  readonly extraFiles?: ReadonlyMap<string, Uint8Array>;
}

/** At most so many of a list, evenly spaced: lists of class folders are sorted by class. */
export function evenly<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]!);
}

/**
 * Makes a bundle of a trained supernet: its weights, calibration images from the training part of the split,
 * and the verification images, which neither training, predictor nor selection see.
 * @returns sha256 of the weights
 * @throws BespokeError `conflict` if the images are not those it was trained on, `bundle-invalid` if the weights are not of the space
 */
export async function makeBundle(options: MakeBundleOptions): Promise<string> {
  const { source, record, space } = options;
  const splits = recordedSplits(source, record);
  const target = recordedTarget(record);
  const most = Math.floor(MOST_BYTES / (target.channels * target.side ** 2));
  const order = shuffled(splits.train, makeRng(record.plan.seed).fork('calibration'));
  const read = async (indices: readonly number[]): Promise<ImageSet> =>
    (await source.pool.read(indices, target, options)).images;
  const { labels: _, ...calibration } = await read(order.slice(0, Math.min(CALIBRATION_COUNT, most)));
  const verification = await read(evenly(splits.verification, most));
  const { tensors } = decodeSafetensors(await readFile(options.weightsPath), options.weightsPath);
  // Both have places of their own in a bundle's card.
  const { input, classNames, ...data } = record;
  return writeBundle(options.outDir, {
    id: options.id,
    title: options.title,
    space,
    // A supernet's tensors are all float32; writeBundle checks names and shapes.
    tensors: tensors as Map<string, FloatTensor>,
    input,
    classNames,
    calibration,
    verification,
    figures: { [DATA_FIGURE]: data },
    ...(options.extraFiles === undefined ? {} : { extraFiles: options.extraFiles }),
  });
}
