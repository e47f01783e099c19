import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { makeRng, type Rng } from '../../src/common/rng.js';

/** What the generated images show; told apart by form alone, as colors, sizes and places vary. */
const SHAPES = ['circle', 'cross', 'square'] as const;

function isInside(shape: (typeof SHAPES)[number], dx: number, dy: number, radius: number): boolean {
  const [x, y] = [Math.abs(dx), Math.abs(dy)];
  if (shape === 'circle') return dx * dx + dy * dy <= radius * radius;
  if (shape === 'square') return Math.max(x, y) <= radius * 0.85;
  return Math.min(x, y) <= radius * 0.3 && Math.max(x, y) <= radius;
}

/** One shape on a background of noise, RGB. */
function drawShape(shape: (typeof SHAPES)[number], width: number, height: number, rng: Rng): Buffer {
  const side = Math.min(width, height);
  const radius = side * (0.28 + 0.12 * rng.next());
  const center = [width / 2, height / 2].map((middle) => middle + side * 0.1 * (rng.next() - 0.5));
  const color = [0, 1, 2].map(() => 140 + rng.int(116));
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < pixels.length; i++) {
    const pixel = Math.floor(i / 3);
    const dx = (pixel % width) - (center[0] ?? 0);
    const dy = Math.floor(pixel / width) - (center[1] ?? 0);
    pixels[i] = isInside(shape, dx, dy, radius) ? (color[i % 3] ?? 0) : rng.int(90);
  }
  return pixels;
}

/**
 * Writes class folders of shapes: `dir/circle/0.png` and so on, PNG and JPEG by turns, of different sizes.
 * @param perClass images of each of the three classes
 * @param side shorter side of the images, pixels; the longer one is up to a third longer
 */
export async function writeShapeImages(dir: string, perClass: number, side: number): Promise<void> {
  const rng = makeRng(7);
  for (const shape of SHAPES) {
    for (let i = 0; i < perClass; i++) {
      const width = side + rng.int(Math.ceil(side / 3));
      const path = join(dir, shape, `${i}.${i % 2 === 0 ? 'png' : 'jpg'}`);
      await mkdir(dirname(path), { recursive: true });
      await sharp(drawShape(shape, width, side, rng), { raw: { width, height: side, channels: 3 } }).toFile(path);
    }
  }
}
