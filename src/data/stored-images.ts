import { sha256 } from '../common/hash.js';
import { throwIfAborted } from '../common/work.js';
import type { ImageSet } from '../tensor/image-set.js';
import type { ImageList, ReadImages, ReadTarget } from './image-source.js';

/** Bytes that other threads can see. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

/** A text that is made at the first call and kept. */
export function lazily(make: () => string): () => string {
  let made: string | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Weights of red, green and blue in grey, out of 2^16 and rounded as Pillow does it. Source: ITU-R BT.601; Pillow's Convert.c (`L24`) */
const LUMA = [19_595, 38_470, 7_471] as const;
const LUMA_HALF = 0x8000;
const LUMA_SHIFT = 16;

/**
 * Copies `count` pixels, from grey to RGB (repeated) or RGB to grey (luma) where the channels differ.
 * @param from interleaved pixels with `fromChannels` (1 or 3) values each
 * @param to written from `at` on
 */
export function convertPixels(
  from: { readonly pixels: Uint8Array; readonly start: number; readonly channels: number },
  count: number,
  to: { readonly pixels: Uint8Array; readonly start: number; readonly channels: number },
): void {
  if (from.channels === to.channels) {
    to.pixels.set(from.pixels.subarray(from.start, from.start + count * from.channels), to.start);
    return;
  }
  for (let i = 0; i < count; i++) {
    if (to.channels === 3) to.pixels.fill(from.pixels[from.start + i]!, to.start + 3 * i, to.start + 3 * i + 3);
    else {
      const at = from.start + 3 * i;
      const sum = LUMA[0] * from.pixels[at]! + LUMA[1] * from.pixels[at + 1]! + LUMA[2] * from.pixels[at + 2]!;
      to.pixels[to.start + i] = (sum + LUMA_HALF) >> LUMA_SHIFT;
    }
  }
}

/** Images of a set as squares with the wanted channels: the middle of each, without a resize. */
function readStored(
  set: ImageSet & { readonly labels: Uint8Array },
  indices: readonly number[],
  { channels }: ReadTarget,
): ReadImages {
  const side = Math.min(set.height, set.width);
  const top = (set.height - side) >> 1;
  const left = (set.width - side) >> 1;
  const size = side * side * channels;
  const pixels = sharedBytes(indices.length * size);
  for (const [i, index] of indices.entries()) {
    for (let y = 0; y < side; y++) {
      const start = ((index * set.height + top + y) * set.width + left) * set.channels;
      const line = { pixels: set.pixels, start, channels: set.channels };
      convertPixels(line, side, { pixels, start: i * size + y * side * channels, channels });
    }
  }
  const labels = sharedBytes(indices.length);
  for (const [i, index] of indices.entries()) labels[i] = set.labels[index]!;
  const images = { count: indices.length, height: side, width: side, channels, pixels, labels };
  return { images, indices, skipped: [] };
}

/** A list of images that are all in memory already. */
export function storedList(
  set: ImageSet & { readonly labels: Uint8Array },
  nameOf: (index: number) => string,
): ImageList {
  return {
    labels: set.labels,
    nameOf,
    read: async (indices, target, work) => {
      throwIfAborted(work?.signal);
      return readStored(set, indices, target);
    },
  };
}

/** sha256 of the pixels and labels of a set. */
export function hashStored(set: ImageSet & { readonly labels: Uint8Array }): string {
  return sha256(`${sha256(set.pixels)} ${sha256(set.labels)}`);
}
