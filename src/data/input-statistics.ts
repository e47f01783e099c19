import { invariant } from '../common/invariant.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';

const PIXEL_VALUES = 256;
const PIXEL_MAX = 255;
/** Digits that the figures are written with: more than a network can notice. */
const DIGITS = 8;
/** Images of one color all over have no spread; half a gray level keeps the division finite. */
const LEAST_STD = 0.5 / PIXEL_MAX;

/**
 * How images become the network's input, with the mean and standard deviation of the pixels of some images per channel, scaled to 0..1.
 * @param indices the training images, at least one
 */
export function inputSpecOf(set: ImageSet, indices: readonly number[]): InputSpec {
  const { channels } = set;
  invariant(channels === 1 || channels === 3, () => `images have 1 or 3 channels, got ${channels}`);
  invariant(indices.length > 0, () => 'there are no images to take the mean of');
  const size = set.height * set.width * channels;
  // Counts of values are exact however many pixels there are.
  const counts = Array.from({ length: channels }, () => new Float64Array(PIXEL_VALUES));
  for (const index of indices) {
    for (let i = index * size; i < index * size + size; i += channels) {
      for (let c = 0; c < channels; c++) counts[c]![set.pixels[i + c]!]!++;
    }
  }
  const pixels = (indices.length * size) / channels;
  const mean = counts.map((of) => of.reduce((sum, count, value) => sum + count * value, 0) / pixels / PIXEL_MAX);
  const std = counts.map((of, c) => {
    const squares = of.reduce((sum, count, value) => sum + count * (value / PIXEL_MAX - mean[c]!) ** 2, 0);
    return Math.max(Math.sqrt(squares / pixels), LEAST_STD);
  });
  const rounded = (value: number): number => Number(value.toPrecision(DIGITS));
  return {
    channels,
    channelOrder: channels === 1 ? 'grey' : 'rgb',
    range: [0, 1],
    mean: mean.map(rounded),
    std: std.map(rounded),
    resize: 'bilinear',
    antialias: true,
    cropFraction: 1,
  };
}
