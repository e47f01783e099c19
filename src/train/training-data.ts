import { FASHION_MNIST_INPUT, loadFashionMnist } from '../data/fashion-mnist.js';
import { SPLIT_SEED, splitTrainValidation } from '../data/splits.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';

/** What a supernet is trained on: one labelled image set and which of its images are for what. */
export interface TrainingData {
  readonly images: ImageSet;
  readonly input: InputSpec;
  /** Images that weights are trained on. */
  readonly train: readonly number[];
  /** Held-out images for the progress figures during training. */
  readonly selection: readonly number[];
}

/** A copy of an image set whose pixels and labels lie in shared memory, so that workers read the same bytes. */
export function shareImages(set: ImageSet): ImageSet {
  const shared = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
    copy.set(bytes);
    return copy;
  };
  const { labels, ...rest } = set;
  return { ...rest, pixels: shared(set.pixels), ...(labels === undefined ? {} : { labels: shared(labels) }) };
}

/**
 * Fashion-MNIST's training images with the bundle's fixed split; the test images are not touched.
 * @param dir folder of the four files
 */
export function fashionMnistTrainingData(dir: string): TrainingData {
  const { train } = loadFashionMnist(dir);
  const splits = splitTrainValidation(train.labels ?? new Uint8Array(0), SPLIT_SEED);
  return { images: train, input: FASHION_MNIST_INPUT, train: splits.train, selection: splits.selection };
}
