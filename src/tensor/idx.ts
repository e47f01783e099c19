import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { sizeOf, type Tensor, tensorFrom } from './tensor.js';

/** Third byte of the magic number: unsigned bytes, the only element type read and written here. */
const UINT8_CODE = 0x08;
/** Bytes of the magic number, and of each big-endian size after it. */
const WORD_BYTES = 4;
/** More dims than any image or label file has. */
const MAX_RANK = 8;
/** The longest header of such a file, bytes. */
export const MAX_IDX_HEADER = WORD_BYTES * (1 + MAX_RANK);

/**
 * Encodes a uint8 tensor as an uncompressed IDX file.
 * @param tensor dims of 1 to 8 sizes, each below 2^32
 * Source: LeCun, Cortes, Burges, "The MNIST database": the IDX file format
 */
export function encodeIdx(tensor: Tensor<'uint8'>): Uint8Array {
  const { dims, data } = tensor;
  invariant(dims.length >= 1 && dims.length <= MAX_RANK, () => `IDX holds 1 to ${MAX_RANK} dims, got ${dims.length}`);
  const start = WORD_BYTES * (1 + dims.length);
  const file = new Uint8Array(start + data.length);
  file.set([0, 0, UINT8_CODE, dims.length]);
  const view = new DataView(file.buffer);
  dims.forEach((size, i) => {
    view.setUint32(WORD_BYTES * (1 + i), size);
  });
  file.set(data, start);
  return file;
}

/**
 * The dims of an uncompressed IDX file of unsigned bytes, without its data.
 * @param head the file from its start to the end of its header at least
 * @param fileBytes how long the whole file is
 * @throws BespokeError `invalid-request` if it is no IDX file of unsigned bytes, or not as long as its header says
 * Source: LeCun, Cortes, Burges, "The MNIST database": the IDX file format
 */
export function idxDims(head: Uint8Array, fileBytes: number, where: string): readonly number[] {
  const [zero0, zero1, code, rank] = head;
  if (head.length < WORD_BYTES || zero0 !== 0 || zero1 !== 0 || rank === undefined || rank === 0 || rank > MAX_RANK) {
    throw new BespokeError(
      'invalid-request',
      `${where} is not an IDX file: it does not begin with an IDX magic number`,
    );
  }
  if (code !== UINT8_CODE) {
    const got = `0x${(code ?? 0).toString(16).padStart(2, '0')}`;
    throw new BespokeError(
      'invalid-request',
      `${where} holds IDX elements of type ${got}; read are unsigned bytes, 0x08`,
    );
  }
  const start = WORD_BYTES * (1 + rank);
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const dims = start > head.length ? [] : Array.from({ length: rank }, (_, i) => view.getUint32(WORD_BYTES * (1 + i)));
  const expected = start + sizeOf(dims);
  if (dims.length === 0 || fileBytes !== expected) {
    const wanted = dims.length === 0 ? `a header of ${start}` : `${expected} for [${dims.join(', ')}]`;
    throw new BespokeError('invalid-request', `${where} has ${fileBytes} bytes where its header asks for ${wanted}`);
  }
  return dims;
}

/**
 * Decodes an uncompressed IDX file of unsigned bytes; the result is a view of `bytes`.
 * @param where what the bytes are, for errors: usually the file's name
 * @throws BespokeError as {@link idxDims}
 */
export function decodeIdx(bytes: Uint8Array, where: string): Tensor<'uint8'> {
  const dims = idxDims(bytes, bytes.length, where);
  return tensorFrom('uint8', dims, bytes.subarray(WORD_BYTES * (1 + dims.length)));
}
