import { readFile } from 'node:fs/promises';
import { BespokeError } from '../common/errors.js';
import { makeRng, shuffled } from '../common/rng.js';
import { FASHION_MNIST_CLASSES, FASHION_MNIST_INPUT, loadFashionMnist } from '../data/fashion-mnist.js';
import { takePixels } from '../data/prepare-images.js';
import { SPLIT_SEED, splitTrainValidation } from '../data/splits.js';
import type { SearchSpace } from '../space/types.js';
import { writeBundle } from '../supernet/bundle.js';
import type { ImageSet } from '../tensor/image-set.js';
import { decodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor } from '../tensor/tensor.js';

/** Calibration images of a bundle: the published procedure's 2,000 training images (ofa_nets' set_running_statistics). */
const CALIBRATION_COUNT = 2_000;

export interface MakeBundleOptions {
  readonly id: string;
  readonly title: string;
  readonly space: SearchSpace;
  /** safetensors file of a trained supernet. */
  readonly weightsPath: string;
  /** Folder of Fashion-MNIST; its test images are not touched. */
  readonly dataDir: string;
  readonly outDir: string;
  /** Further files of the bundle by name: the data set's notice, for one. */
  readonly extraFiles?: ReadonlyMap<string, Uint8Array>;
}

function subset(set: ImageSet, indices: readonly number[]): ImageSet {
  const { pixels } = takePixels(set, indices);
  const labels =
    set.labels === undefined ? {} : { labels: Uint8Array.from(indices, (index) => set.labels?.[index] ?? 0) };
  return { ...set, count: indices.length, pixels, ...labels };
}

/**
 * Makes a bundle of a supernet trained on Fashion-MNIST: its weights, calibration images from the training part of the split,
 * and the verification images, which neither training, predictor nor selection see.
 * @returns sha256 of the weights
 * @throws BespokeError `bundle-invalid` if the weights are not of the space
 */
export async function makeFashionMnistBundle(options: MakeBundleOptions): Promise<string> {
  const { train } = loadFashionMnist(options.dataDir);
  if (train.labels === undefined)
    throw new BespokeError('invalid-request', `${options.dataDir} has no training labels`);
  const splits = splitTrainValidation(train.labels, SPLIT_SEED);
  const calibration = shuffled(splits.train, makeRng(SPLIT_SEED).fork('calibration')).slice(0, CALIBRATION_COUNT);
  const { labels: _, ...calibrationImages } = subset(train, calibration);
  const { tensors } = decodeSafetensors(await readFile(options.weightsPath), options.weightsPath);
  return writeBundle(options.outDir, {
    id: options.id,
    title: options.title,
    space: options.space,
    // A supernet's tensors are all float32; writeBundle checks names and shapes.
    tensors: tensors as Map<string, FloatTensor>,
    input: FASHION_MNIST_INPUT,
    classNames: FASHION_MNIST_CLASSES,
    calibration: calibrationImages,
    verification: subset(train, splits.verification),
    ...(options.extraFiles === undefined ? {} : { extraFiles: options.extraFiles }),
  });
}
