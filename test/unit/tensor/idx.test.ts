import { describe, expect, it } from 'vitest';
import { decodeIdx, encodeIdx } from '../../../src/tensor/idx.js';
import { tensorFrom } from '../../../src/tensor/tensor.js';

describe('IDX', () => {
  it('writes the magic number and big-endian sizes of the published format', () => {
    const bytes = encodeIdx(tensorFrom('uint8', [1, 258], new Uint8Array(258).fill(9)));
    expect([...bytes.subarray(0, 13)]).toEqual([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 1, 2, 9]);
  });

  it('gives back what was written, from a view with an offset too', () => {
    const tensor = tensorFrom('uint8', [2, 3, 1], Uint8Array.of(1, 2, 3, 4, 5, 255));
    const held = new Uint8Array([77, ...encodeIdx(tensor)]);
    expect(decodeIdx(held.subarray(1), 'x')).toEqual(tensor);
  });

  it.each([
    ['an empty file', [], /not an IDX file/],
    ['a gzip file', [0x1f, 0x8b, 8, 1], /not an IDX file/],
    ['a rank of 0', [0, 0, 8, 0], /not an IDX file/],
    ['floats', [0, 0, 0x0d, 1, 0, 0, 0, 0], /type 0x0d; read are unsigned bytes/],
    ['a cut header', [0, 0, 8, 2, 0, 0, 0, 1], /8 bytes where its header asks for a header of 12/],
    ['cut data', [0, 0, 8, 1, 0, 0, 0, 3, 1, 2], /10 bytes where its header asks for 11 for \[3\]/],
    ['bytes at the end', [0, 0, 8, 1, 0, 0, 0, 1, 1, 2], /10 bytes where its header asks for 9/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeIdx(Uint8Array.from(bytes), 'images.idx')).toThrow(message);
  });
});
