import { crc32, deflateSync } from 'node:zlib';

/** Encoders of image files by hand: an origin of their own for what a decoder has to read. */

const u16 = (...values: readonly number[]): Buffer => Buffer.from(values.flatMap((value) => [value >> 8, value & 255]));

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => {
    bytes.writeUInt32BE(value >>> 0, 4 * i);
  });
  return bytes;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([u32(data.length), body, u32(crc32(body))]);
}

const PNG_COLOR_TYPES = { 1: 0, 2: 4, 3: 2, 4: 6 } as const;

/** What a PNG holds: interleaved samples, 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  /** 8 unless told. */
  readonly bits?: 8 | 16;
  readonly samples: readonly number[];
}

/** A PNG file. Source: RFC 2083 */
export function encodePng({ width, height, channels, bits = 8, samples }: PngImage): Buffer {
  const perLine = width * channels;
  const lines = Array.from({ length: height }, (_, y) => {
    const line = samples.slice(y * perLine, (y + 1) * perLine);
    return Buffer.concat([Buffer.of(0), bits === 16 ? u16(...line) : Buffer.from(line)]); // filter type 0: none
  });
  const header = Buffer.concat([u32(width, height), Buffer.of(bits, PNG_COLOR_TYPES[channels], 0, 0, 0)]);
  return Buffer.concat([
    Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(lines))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const segment = (marker: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(0xff, marker), u16(body.length + 2), body]);
};

/** An EXIF segment with nothing but an orientation. */
function exif(orientation: number): Buffer {
  const tiff = [Buffer.from('MM\0*', 'latin1'), u32(8), u16(1, 0x0112, 3), u32(1), u16(orientation, 0), u32(0)];
  return segment(0xe1, Buffer.from('Exif\0\0', 'latin1'), ...tiff);
}

/** Bits into bytes, a 0 after each 0xff, the rest filled with ones. */
function entropyCoded(bits: string): Buffer {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  const bytes = padded.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [];
  return Buffer.from(bytes.flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
}

/** Block sides of a JPEG, pixels. */
const BLOCK = 8;

export interface JpegImage {
  /** Blocks of 8 x 8 pixels in a row, each of one color: as many components as the file has. */
  readonly blocks: readonly (readonly number[])[];
  readonly orientation?: number;
}

/**
 * A baseline JPEG of one row of plain blocks: 1 component is grey, 3 are YCbCr, 4 are CMYK as Adobe writes it (255: no ink).
 * Every quantizer is 8, so that a block's DC coefficient is its value less 128; every AC coefficient is 0. Source: ITU-T T.81
 */
export function encodeJpeg({ blocks, orientation }: JpegImage): Buffer {
  const components = blocks[0]?.length ?? 0;
  const before = new Array<number>(components).fill(0);
  // DC codes: the categories 0..11 have 4 bits each; AC: "end of block" is the one code, of 1 bit.
  const bits = blocks.flatMap((block) =>
    block.map((value, c) => {
      const difference = value - 128 - (before[c] ?? 0);
      before[c] = value - 128;
      const category = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1;
      const amount = difference >= 0 ? difference : difference + 2 ** category - 1;
      const code = category.toString(2).padStart(4, '0');
      return `${code}${category === 0 ? '' : amount.toString(2).padStart(category, '0')}0`;
    }),
  );
  const each = Array.from({ length: components }, (_, c) => c + 1);
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    ...(orientation === undefined ? [] : [exif(orientation)]),
    ...(components === 4 ? [segment(0xee, Buffer.from('Adobe', 'latin1'), u16(100, 0, 0), Buffer.of(0))] : []),
    segment(0xdb, Buffer.of(0), Buffer.alloc(64, 8)),
    segment(
      0xc0,
      Buffer.of(8),
      u16(BLOCK, BLOCK * blocks.length),
      Buffer.of(components, ...each.flatMap((c) => [c, 0x11, 0])),
    ),
    segment(
      0xc4,
      Buffer.of(0x00, 0, 0, 0, 12, ...new Array<number>(12).fill(0)),
      Buffer.from(Array.from({ length: 12 }, (_, i) => i)),
    ),
    segment(0xc4, Buffer.of(0x10, 1, ...new Array<number>(15).fill(0)), Buffer.of(0)),
    segment(0xda, Buffer.of(components, ...each.flatMap((c) => [c, 0]), 0, 63, 0)),
    entropyCoded(bits.join('')),
    Buffer.of(0xff, 0xd9),
  ]);
}
