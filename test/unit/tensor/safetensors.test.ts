import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../../src/tensor/safetensors.js';
import { floats, int64s, type Tensor, tensorFrom } from '../../../src/tensor/tensor.js';

/** A file with any header text and data, as a broken writer might make it. */
function fileOf(header: string, dataBytes: number, claimed = Buffer.byteLength(header)): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimed));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(dataBytes, 7)]);
}

const entry = (begin: number, end: number, dtype = 'F32', shape = [(end - begin) / 4]): unknown => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

const some: ReadonlyMap<string, Tensor> = new Map<string, Tensor>([
  ['z.weight', floats([2, 3], [1, -2, 3.5, 0, 1e-30, 6])],
  ['a.flags', tensorFrom('bool', [3], Uint8Array.of(1, 0, 1))],
  ['m.count', int64s([2 ** 40, -1])],
  ['scalar', tensorFrom('float64', [], Float64Array.of(Math.PI))],
  ['empty', floats([0, 4], [])],
  ['pixels', tensorFrom('uint8', [2, 2], Uint8Array.of(0, 1, 254, 255))],
  ['i', tensorFrom('int32', [1], Int32Array.of(-7))],
]);

describe('safetensors', () => {
  it('gives back every tensor and the metadata, also from bytes that lie unaligned', () => {
    const bytes = encodeSafetensors(some, { format: 'pt', note: 'grüße' });
    for (const shift of [0, 1, 3, 4]) {
      const held = Buffer.alloc(bytes.length + shift); // what reading a file gives
      held.set(bytes, shift);
      const { tensors, metadata } = decodeSafetensors(held.subarray(shift), 'weights');
      expect(metadata).toEqual({ format: 'pt', note: 'grüße' });
      expect([...tensors.keys()]).toEqual([...some.keys()].sort());
      for (const [name, tensor] of some) expect(tensors.get(name)).toEqual(tensor);
    }
  });

  it('writes the bytes of the published format: sorted, compact JSON padded with spaces to 8 bytes', () => {
    const bytes = encodeSafetensors(
      new Map<string, Tensor>([
        ['b', floats([1], [1])],
        ['a', tensorFrom('uint8', [2], Uint8Array.of(5, 6))],
      ]),
    );
    // Written by hand from the format's description.
    const json =
      '{"a":{"data_offsets":[0,2],"dtype":"U8","shape":[2]},"b":{"data_offsets":[2,6],"dtype":"F32","shape":[1]}}';
    const padded = json.padEnd(Math.ceil(json.length / 8) * 8, ' ');
    const expected = Buffer.concat([
      Buffer.from([padded.length, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from(padded),
      Buffer.from([5, 6, 0, 0, 0x80, 0x3f]),
    ]);
    expect(Buffer.from(bytes).equals(expected)).toBe(true);
  });

  it('writes equal bytes for equal tensors in any order', () => {
    const reversed = new Map([...some].reverse());
    expect(encodeSafetensors(reversed)).toEqual(encodeSafetensors(some));
  });

  it.each([
    ['fewer bytes than the length field', new Uint8Array(5), /truncated: 5 bytes/],
    ['a header beyond the end', fileOf('{}', 0, 50), /truncated: the header ends at byte 58, the file at 10/],
    ['a header too large', fileOf('{}', 0, 100_000_001), /claims 100000001 bytes/],
    ['a header that is not JSON', fileOf('{"a"', 0), /not JSON/],
    ['a header that is a list', fileOf('[]', 0), /not a JSON object/],
    [
      'an unknown dtype',
      fileOf(JSON.stringify({ a: entry(0, 4, 'BF16', [2]) }), 4),
      /"a" has the dtype "BF16"; read are F32/,
    ],
    ['a negative size', fileOf(JSON.stringify({ a: entry(0, 4, 'F32', [-1]) }), 4), /the shape \[-1\]/],
    [
      'a range of another length than the shape',
      fileOf(JSON.stringify({ a: entry(0, 8, 'F32', [3]) }), 8),
      /needs 12 bytes, its range has 8/,
    ],
    ['reversed offsets', fileOf(JSON.stringify({ a: entry(4, 0, 'F32', [0]) }), 4), /offsets \[4,0\]/],
    ['overlapping ranges', fileOf(JSON.stringify({ a: entry(0, 8), b: entry(4, 12) }), 12), /"b" overlaps "a"/],
    ['a gap', fileOf(JSON.stringify({ a: entry(0, 4), b: entry(8, 12) }), 12), /bytes 4 to 8 .* are in no tensor/],
    [
      'a range out of the file',
      fileOf(JSON.stringify({ a: entry(0, 8) }), 4),
      /"a" is out of range: it ends at byte 8 of the data, which has 4/,
    ],
    ['bytes at the end', fileOf(JSON.stringify({ a: entry(0, 4) }), 9), /last 5 bytes/],
    ['metadata that is no text', fileOf('{"__metadata__":{"x":1}}', 0), /"x" is not a string/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, 'weights.safetensors')).toThrow(message);
    expect(() => decodeSafetensors(bytes, 'weights.safetensors')).toThrow(/^weights\.safetensors is not a readable/);
  });

  it('never fails but with its own error, whatever bytes are changed or cut', () => {
    const good = encodeSafetensors(some, { a: 'b' });
    const damage = fc.record({
      flips: fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      keep: fc.nat(good.length),
    });
    fc.assert(
      fc.property(damage, ({ flips, keep }) => {
        const bytes = good.slice();
        for (const [at, value] of flips) bytes[at] = value;
        try {
          const { tensors } = decodeSafetensors(bytes.subarray(0, keep), 'x');
          for (const { dims, data } of tensors.values()) expect(data.length).toBe(dims.reduce((p, d) => p * d, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(BespokeError);
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});
