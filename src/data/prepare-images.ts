import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';
import { type PixelBatch, resizeBilinear } from './resize.js';

/** Largest pixel value of the stored images. */
const PIXEL_MAX = 255;

/** The middle of the images, `fraction` of each side (rounded down to whole pixels), as a batch of its own. */
function centerCropped(batch: PixelBatch, fraction: number): PixelBatch {
  if (fraction === 1) return batch;
  const { count, height, width, channels, pixels } = batch;
  const cropHeight = Math.max(1, Math.floor(height * fraction));
  const cropWidth = Math.max(1, Math.floor(width * fraction));
  const top = (height - cropHeight) >> 1;
  const left = (width - cropWidth) >> 1;
  const line = cropWidth * channels;
  const cropped = new Float32Array(count * cropHeight * line);
  for (let image = 0; image < count; image++) {
    for (let y = 0; y < cropHeight; y++) {
      const from = ((image * height + top + y) * width + left) * channels;
      cropped.set(pixels.subarray(from, from + line), (image * cropHeight + y) * line);
    }
  }
  return { count, height: cropHeight, width: cropWidth, channels, pixels: cropped };
}

/**
 * Turns stored pixels into the network's input, in this order: centre crop by `cropFraction`, resize (bilinear, antialias) on pixel values,
 * scale 0..255 to `range`, then (x - mean) / std per channel. This is what a delivered model's `bespoke.input` states.
 * @param batch uint8 pixels `[N, H, W, C]` with the spec's channels
 * @param resolution output side, pixels
 * @param out reused if given: length N * C * resolution^2
 * @returns float32 `[N, C, resolution, resolution]`
 * @throws BespokeError `invalid-request` if the channels differ from the spec's
 */
export function prepareBatch(
  batch: PixelBatch,
  spec: InputSpec,
  resolution: number,
  out: Float32Array = new Float32Array(batch.count * batch.channels * resolution * resolution),
): FloatTensor {
  if (batch.channels !== spec.channels) {
    throw new BespokeError(
      'invalid-request',
      `the images have ${batch.channels} channels, the network takes ${spec.channels} (${spec.channelOrder})`,
    );
  }
  resizeBilinear(centerCropped(batch, spec.cropFraction), resolution, out);
  const [low, high] = spec.range;
  const plane = resolution * resolution;
  for (let channel = 0; channel < batch.channels; channel++) {
    // (low + pixel * (high - low) / 255 - mean) / std as one multiply-add
    const std = spec.std[channel]!;
    const scale = (high - low) / PIXEL_MAX / std;
    const shift = (low - spec.mean[channel]!) / std;
    for (let image = 0; image < batch.count; image++) {
      const from = (image * batch.channels + channel) * plane;
      for (let i = from; i < from + plane; i++) out[i] = out[i]! * scale + shift;
    }
  }
  return floats([batch.count, batch.channels, resolution, resolution], out);
}

/**
 * Copies chosen images out of a set, in the order of `indices`.
 * @returns uint8 pixels `[indices.length, H, W, C]`
 */
export function takePixels(set: ImageSet, indices: ArrayLike<number>): PixelBatch & { readonly pixels: Uint8Array } {
  const { height, width, channels } = set;
  const size = height * width * channels;
  const pixels = new Uint8Array(indices.length * size);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    invariant(index >= 0 && index < set.count, () => `image ${index} of a set of ${set.count}`);
    pixels.set(set.pixels.subarray(index * size, index * size + size), i * size);
  }
  return { count: indices.length, height, width, channels, pixels };
}

/**
 * The network's input of chosen images; see {@link prepareBatch} for the order of the steps, and to reuse a buffer.
 * @returns float32 `[indices.length, C, resolution, resolution]`
 */
export function prepareImages(
  set: ImageSet,
  indices: ArrayLike<number>,
  input: InputSpec,
  resolution: number,
): FloatTensor {
  return prepareBatch(takePixels(set, indices), input, resolution);
}
