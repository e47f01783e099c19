import { gunzipSync } from 'node:zlib';
import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import type { ImageSet } from '../tensor/image-set.js';
import { sizeOf } from '../tensor/tensor.js';

/** A decoded IDX file of unsigned bytes: row-major, first dim slowest. */
export interface IdxArray {
  readonly dims: readonly number[];
  readonly data: Uint8Array;
}

/** IDX's code of the element type "unsigned byte", the only one that image sets use. */
const UNSIGNED_BYTE = 0x08;
/** Dims are one byte in the magic number; more than 4 is never an image set and mostly a wrong file. */
const MAX_DIMS = 4;

function refuse(where: string, rule: string): BespokeError {
  return new BespokeError('invalid-request', `${where}: ${rule}`);
}

function unzipped(bytes: Uint8Array, where: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BespokeError('invalid-request', `${where}: the gzip data is damaged (${reason})`, {}, cause);
  }
}

/**
 * Reads an IDX file of unsigned bytes, plain or gzipped.
 * @param bytes the whole file
 * @param where what to call it in errors, such as its path
 * @throws BespokeError `invalid-request` for a wrong magic number, element type, dim count or length
 * Source: "The IDX file format", LeCun, Cortes & Burges, the MNIST page
 */
export function parseIdx(bytes: Uint8Array, where: string): IdxArray {
  const plain = unzipped(bytes, where);
  if (plain.length < 4)
    throw refuse(where, `an IDX file starts with 4 bytes of magic number, got ${plain.length} bytes`);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const magic = view.getUint32(0);
  const rank = magic & 0xff;
  if (magic >>> 8 !== UNSIGNED_BYTE || rank < 1 || rank > MAX_DIMS) {
    const got = `0x${magic.toString(16).padStart(8, '0')}`;
    throw refuse(
      where,
      `the magic number of an IDX file of bytes is 0x0000080N with N dims, 1..${MAX_DIMS}; got ${got}`,
    );
  }
  const header = 4 + 4 * rank;
  if (plain.length < header)
    throw refuse(where, `the header of ${rank} dims needs ${header} bytes, got ${plain.length}`);
  const dims = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const expected = sizeOf(dims);
  const got = plain.length - header;
  if (got !== expected) {
    const how = got < expected ? 'the file is truncated' : 'there are bytes after the data';
    throw refuse(where, `dims [${dims.join(', ')}] need ${expected} bytes of data, got ${got}: ${how}`);
  }
  return { dims, data: plain.subarray(header) };
}

/**
 * Writes an IDX file of unsigned bytes, not compressed.
 * @param dims 1 to 4 dims
 * @param data as many bytes as the product of the dims
 */
export function writeIdx(dims: readonly number[], data: Uint8Array): Uint8Array {
  invariant(dims.length >= 1 && dims.length <= MAX_DIMS, () => `IDX takes 1..${MAX_DIMS} dims, got ${dims.length}`);
  invariant(data.length === sizeOf(dims), () => `dims [${dims.join(', ')}] do not fit ${data.length} bytes`);
  const header = 4 + 4 * dims.length;
  const bytes = new Uint8Array(header + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (UNSIGNED_BYTE << 8) | dims.length);
  for (const [i, dim] of dims.entries()) view.setUint32(4 + 4 * i, dim);
  bytes.set(data, header);
  return bytes;
}

/** The bytes of one IDX file with the name that errors call it by. */
export interface IdxFile {
  readonly where: string;
  readonly bytes: Uint8Array;
}

/**
 * Joins an image file [N, H, W] (or [N, H, W, C]) and its label file [N] into an image set.
 * @param classes labels must be 0..classes-1
 * @throws BespokeError `invalid-request` if the counts differ or a label is out of range
 */
export function imageSetFromIdx(images: IdxFile, labels: IdxFile, classes: number): ImageSet {
  const image = parseIdx(images.bytes, images.where);
  const label = parseIdx(labels.bytes, labels.where);
  if (image.dims.length < 3) {
    throw refuse(images.where, `images have 3 dims [N, H, W] or 4 [N, H, W, C], got [${image.dims.join(', ')}]`);
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
