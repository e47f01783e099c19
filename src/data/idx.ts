import { gunzipSync } from 'node:zlib';
import { BespokeError } from '../common/errors.js';
import { decodeIdx } from '../tensor/idx.js';
import type { ImageSet } from '../tensor/image-set.js';
import type { Tensor } from '../tensor/tensor.js';

/** The bytes of one IDX file, plain or gzipped, with the name that errors call it by. */
export interface IdxFile {
  readonly where: string;
  readonly bytes: Uint8Array;
}

function refuse(where: string, rule: string): BespokeError {
  return new BespokeError('invalid-request', `${where}: ${rule}`);
}

function unzipped({ bytes, where }: IdxFile): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes; // the gzip magic number, RFC 1952
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BespokeError('invalid-request', `${where}: the gzip data is damaged (${reason})`, {}, cause);
  }
}

/**
 * Reads an IDX file of unsigned bytes, plain or gzipped.
 * @throws BespokeError `invalid-request` for damaged gzip data, a wrong magic number or element type, or a wrong length
 */
export function parseIdx(file: IdxFile): Tensor<'uint8'> {
  return decodeIdx(unzipped(file), file.where);
}

/**
 * Joins an image file [N, H, W] (or [N, H, W, C]) and its label file [N] into an image set.
 * @param classes labels must be 0..classes-1
 * @throws BespokeError `invalid-request` if a file is damaged, the counts differ or a label is out of range
 */
export function imageSetFromIdx(images: IdxFile, labels: IdxFile, classes: number): ImageSet {
  const image = parseIdx(images);
  const label = parseIdx(labels);
  if (image.dims.length < 3 || image.dims.length > 4) {
    throw refuse(images.where, `images have dims [N, H, W] or [N, H, W, C], got [${image.dims.join(', ')}]`);
  }
  if (label.dims.length !== 1) throw refuse(labels.where, `labels have 1 dim, got [${label.dims.join(', ')}]`);
  const [count = 0, height = 0, width = 0, channels = 1] = image.dims;
  if (label.data.length !== count) {
    throw refuse(labels.where, `there are ${label.data.length} labels for the ${count} images of ${images.where}`);
  }
  const bad = label.data.findIndex((value) => value >= classes);
  if (bad !== -1) throw refuse(labels.where, `labels are 0..${classes - 1}, label ${bad} is ${label.data[bad]}`);
  return { count, height, width, channels, pixels: image.data, labels: label.data };
}
