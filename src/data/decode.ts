import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { resizeBilinear } from './resize.js';
import { convertPixels } from './stored-images.js';

/** What shows through transparent pixels. */
const BACKGROUND = '#ffffff';

// The reader decodes several files at once; libvips need not split one image over threads, nor keep what it has read.
sharp.concurrency(1);
sharp.cache(false);

/** One line of what libvips says of a file: its first, without the loader's name. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/Input Buffer is empty/.test(text)) return 'the file is empty';
  return (text.split('\n')[0] ?? text).trim();
}

/** An image file that could not be read, with the reason in a few words. */
export class UnreadableImage extends Error {}

/** Images of up to so many times the wanted side are resized from all their pixels; larger ones are shrunk on the way in first. */
const EXACT_UP_TO = 4;
/** What larger ones are shrunk to, times the wanted side. */
const SHRUNK_TO = 2;
/** Channels of every decoded image. */
const RGB = 3;

/** Brings square RGB pixels to another side, by the resize of the network's input. */
function resized(pixels: Uint8Array, from: number, to: number): Uint8Array {
  if (from === to) return pixels;
  const batch = { count: 1, height: from, width: from, channels: RGB, pixels };
  const planes = resizeBilinear(batch, to, new Float32Array(RGB * to * to));
  const plane = to * to;
  return Uint8Array.from({ length: RGB * plane }, (_, i) =>
    Math.round(planes[(i % RGB) * plane + Math.floor(i / RGB)]!),
  );
}

/**
 * Reads a PNG or JPEG file as a square of 8-bit pixels: turned upright as its EXIF orientation says, shown in sRGB (16-bit, CMYK and
 * embedded profiles converted), on white where it is transparent; the shorter side is brought to `side` (bilinear, antialias) and the middle kept.
 * @param target written in place, interleaved: `side * side * channels` values from `start` on; 1 channel is Rec. 601 luma
 * @throws UnreadableImage
 */
export async function decodeInto(
  path: string,
  side: number,
  target: { readonly pixels: Uint8Array; readonly start: number; readonly channels: 1 | 3 },
): Promise<void> {
  try {
    const image = sharp(await readFile(path), { failOn: 'error' });
    const { width, height } = await image.metadata();
    const whole = Math.min(width, height);
    const taken = whole <= EXACT_UP_TO * side ? whole : SHRUNK_TO * side;
    const data = await image
      .autoOrient()
      .flatten({ background: BACKGROUND })
      .resize({ width: taken, height: taken, fit: 'cover', position: 'centre' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer();
    const pixels = resized(data, taken, side);
    convertPixels({ pixels, start: 0, channels: RGB }, side * side, target);
  } catch (error) {
    throw new UnreadableImage(reasonOf(error), { cause: error });
  }
}

/** What a file's header says of its image: the shorter side in pixels, and whether it has no colors; undefined if it cannot be read. */
export async function probe(path: string): Promise<{ readonly side: number; readonly isGrey: boolean } | undefined> {
  try {
    const { width, height, space } = await sharp(path).metadata();
    return { side: Math.min(width, height), isGrey: space === 'b-w' || space === 'grey16' };
  } catch {
    return undefined; // reading it later says why
  }
}
