import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { decodeInto, probe, UnreadableImage } from '../../../src/data/decode.js';
import { resizeBilinear } from '../../../src/data/resize.js';
import { encodeJpeg, encodePng } from '../../helpers/raw-images.js';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'bespoke-decode-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function decode(bytes: Uint8Array, side: number, channels: 1 | 3 = 3): Promise<number[]> {
  const path = join(dir, 'image');
  writeFileSync(path, bytes);
  const pixels = new Uint8Array(side * side * channels + 2).fill(77);
  await decodeInto(path, side, { pixels, start: 1, channels });
  expect([pixels[0], pixels.at(-1)]).toEqual([77, 77]); // nothing is written beside its place
  return [...pixels.subarray(1, -1)];
}

const noise = (length: number, seed = 1, below = 256): number[] => {
  const rng = makeRng(seed);
  return Array.from({ length }, () => rng.int(below));
};
const repeated = (grey: readonly number[]): number[] => grey.flatMap((value) => [value, value, value]);
/** Largest difference of two lists of pixels. */
const farthest = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0);

describe('a PNG of the wanted size', () => {
  it('keeps every 8-bit value, RGB and grey', async () => {
    const rgb = noise(6 * 6 * 3);
    expect(await decode(encodePng({ width: 6, height: 6, channels: 3, samples: rgb }), 6)).toEqual(rgb);
    const grey = noise(36, 2);
    const png = encodePng({ width: 6, height: 6, channels: 1, samples: grey });
    expect(await decode(png, 6, 1)).toEqual(grey);
    expect(await decode(png, 6, 3)).toEqual(repeated(grey));
  });

  it('keeps the upper half of 16-bit values, within rounding', async () => {
    for (const channels of [1, 3] as const) {
      const samples = noise(16 * channels, 3, 65_536);
      const decoded = await decode(encodePng({ width: 4, height: 4, channels, bits: 16, samples }), 4);
      const wanted = samples.map((value) => value / 257);
      expect(farthest(decoded, channels === 1 ? repeated(wanted) : wanted)).toBeLessThan(1.01);
    }
  });

  it('shows white through what is transparent, in proportion', async () => {
    const colors = [
      [255, 0, 0, 255],
      [10, 20, 30, 0],
      [0, 0, 0, 102],
      [40, 80, 120, 255],
    ];
    const decoded = await decode(encodePng({ width: 2, height: 2, channels: 4, samples: colors.flat() }), 2);
    const wanted = colors.flatMap(([r = 0, g = 0, b = 0, a = 0]) =>
      [r, g, b].map((c) => (c * a + 255 * (255 - a)) / 255),
    );
    expect(farthest(decoded, wanted)).toBeLessThan(1.01);
    const grey = await decode(encodePng({ width: 2, height: 1, channels: 2, samples: [9, 255, 9, 255] }), 1);
    expect(grey).toEqual([9, 9, 9]);
    const deep = encodePng({ width: 1, height: 1, channels: 2, bits: 16, samples: [0, 0] });
    expect(await decode(deep, 1)).toEqual([255, 255, 255]);
  });

  it('becomes grey by the luma of Rec. 601', async () => {
    const rgb = noise(8 * 8 * 3, 4);
    const decoded = await decode(encodePng({ width: 8, height: 8, channels: 3, samples: rgb }), 8, 1);
    const wanted = decoded.map((_, i) => 0.299 * rgb[3 * i]! + 0.587 * rgb[3 * i + 1]! + 0.114 * rgb[3 * i + 2]!);
    expect(farthest(decoded, wanted)).toBeLessThan(0.51);
  });
});

describe('an image of another size', () => {
  it('loses what lies outside the middle square', async () => {
    // Columns 0..9 with their number as the value; the middle square of 4 rows is the columns 3..6.
    const samples = Array.from({ length: 40 }, (_, i) => 20 * (i % 10));
    const png = encodePng({ width: 10, height: 4, channels: 1, samples });
    expect((await decode(png, 4, 1)).slice(0, 4)).toEqual([60, 80, 100, 120]);
    const upright = Array.from({ length: 40 }, (_, i) => 20 * Math.floor(i / 4));
    const tall = encodePng({ width: 4, height: 10, channels: 1, samples: upright });
    expect((await decode(tall, 4, 1)).filter((_, i) => i % 4 === 0)).toEqual([60, 80, 100, 120]);
  });

  it.each([
    [48, 20],
    [31, 24],
    [12, 24],
  ])('of %i pixels is brought to %i as the network input is', async (from, to) => {
    const samples = noise(from * from, from);
    const decoded = await decode(encodePng({ width: from, height: from, channels: 1, samples }), to, 1);
    const batch = { count: 1, height: from, width: from, channels: 1, pixels: Uint8Array.from(samples) };
    const wanted = resizeBilinear(batch, to, new Float32Array(to * to));
    expect(farthest(decoded, [...wanted])).toBeLessThan(0.51);
  });
});

describe('a much larger image', () => {
  it('is shrunk on the way in and looks the same, within 2 of 255', async () => {
    const [from, to] = [400, 20];
    const samples = Array.from({ length: from * from }, (_, i) =>
      Math.round(128 + 100 * Math.sin((i % from) / 40) * Math.cos(Math.floor(i / from) / 30)),
    );
    const decoded = await decode(encodePng({ width: from, height: from, channels: 1, samples }), to, 1);
    const batch = { count: 1, height: from, width: from, channels: 1, pixels: Uint8Array.from(samples) };
    expect(farthest(decoded, [...resizeBilinear(batch, to, new Float32Array(to * to))])).toBeLessThan(2);
  });
});

describe('a JPEG', () => {
  it('is read, grey and in color', async () => {
    const grey = await decode(encodeJpeg({ blocks: [[200]] }), 8, 1);
    expect(grey).toEqual(new Array(64).fill(200));
    // YCbCr of pure red by Rec. 601: 76, 85, 255.
    const [r = 0, g = 0, b = 0] = await decode(encodeJpeg({ blocks: [[76, 85, 255]] }), 8);
    expect([r > 250, g < 5, b < 5]).toEqual([true, true, true]);
  });

  it.each([
    [undefined, 'left', [50, 200, 50, 200]],
    [1, 'left', [50, 200, 50, 200]],
    [2, 'right', [200, 50, 200, 50]],
    [3, 'right', [200, 50, 200, 50]],
    [6, 'top', [50, 50, 200, 200]],
    [8, 'bottom', [200, 200, 50, 50]],
  ])('with EXIF orientation %s shows the dark half at the %s', async (orientation, _, corners) => {
    const half = [50, 50, 200, 200].map((value) => [value]);
    const turn = orientation === undefined ? {} : { orientation };
    const jpeg = encodeJpeg({ blocks: half.slice(1, 3), ...turn });
    const pixels = await decode(jpeg, 8, 1);
    const at = (x: number, y: number): number => pixels[y * 8 + x]!;
    const seen = [at(0, 0), at(7, 0), at(0, 7), at(7, 7)];
    expect(farthest(seen, corners)).toBeLessThan(3);
  });

  it('in CMYK is shown in RGB', async () => {
    const seen = async (c: number, m: number, y: number, k: number): Promise<number[]> => {
      const ink = [c, m, y, k].map((share) => Math.round(255 * (1 - share))); // Adobe stores what is left of the paper
      return (await decode(encodeJpeg({ blocks: [ink] }), 8)).slice(0, 3);
    };
    expect(Math.min(...(await seen(0, 0, 0, 0)))).toBeGreaterThan(250);
    expect(Math.max(...(await seen(1, 1, 1, 1)))).toBeLessThan(40);
    const [red = 0, green = 0, blue = 0] = await seen(0, 1, 1, 0);
    expect(red).toBeGreaterThan(180);
    expect(Math.max(green, blue)).toBeLessThan(80);
    expect((await seen(0, 0, 1, 0))[2]).toBeLessThan(80); // yellow has no blue
  });
});

describe('a file that is no whole image', () => {
  const png = encodePng({ width: 40, height: 40, channels: 3, samples: noise(4800) });
  it.each([
    ['empty', new Uint8Array(0), /empty/],
    ['text', Buffer.from('not an image'), /unsupported image format/],
    ['cut off in its pixels', png.subarray(0, png.length >> 1), /./],
    ['cut off in its header', png.subarray(0, 20), /./],
    [
      'a JPEG without its end',
      encodeJpeg({ blocks: Array.from({ length: 40 }, (_, i) => [(i * 97) % 256]) }).subarray(0, -60),
      /./,
    ],
  ])('is refused: %s', async (_, bytes, words) => {
    const refused = decode(bytes, 8);
    await expect(refused).rejects.toThrow(UnreadableImage);
    await expect(refused).rejects.toThrow(words);
    await expect(refused).rejects.not.toThrow(/\n/);
  });

  it('is refused: one that is not there', async () => {
    const target = { pixels: new Uint8Array(64), start: 0, channels: 1 } as const;
    await expect(decodeInto(join(dir, 'nothing'), 8, target)).rejects.toThrow(/ENOENT/);
  });
});

describe('probe', () => {
  it('tells the shorter side and whether there are colors', async () => {
    const path = join(dir, 'probed');
    writeFileSync(path, encodePng({ width: 9, height: 5, channels: 3, samples: noise(135) }));
    expect(await probe(path)).toEqual({ side: 5, isGrey: false });
    writeFileSync(path, encodePng({ width: 3, height: 7, channels: 1, bits: 16, samples: noise(21) }));
    expect(await probe(path)).toEqual({ side: 3, isGrey: true });
    writeFileSync(path, 'no image');
    expect(await probe(path)).toBeUndefined();
  });
});
