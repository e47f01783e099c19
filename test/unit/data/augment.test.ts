import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { augmentBatch } from '../../../src/data/augment.js';

const SIDE = 9;
function batchOf(count: number): {
  count: number;
  height: number;
  width: number;
  channels: number;
  pixels: Uint8Array;
} {
  const pixels = Uint8Array.from({ length: count * SIDE * SIDE }, (_, i) => 1 + ((i * 29) % 255));
  return { count, height: SIDE, width: SIDE, channels: 1, pixels };
}
const pixelAt = (pixels: Uint8Array, image: number, y: number, x: number): number =>
  y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : pixels[(image * SIDE + y) * SIDE + x]!;

describe('augmentBatch', () => {
  it('leaves images alone when nothing is asked for', () => {
    const batch = batchOf(3);
    augmentBatch(batch, { flip: false, shift: 0, erase: 0 }, makeRng(1));
    expect(batch.pixels).toEqual(batchOf(3).pixels);
  });

  it('gives each image mirrored or not and moved by at most the shift, zeros coming in, and all of these occur', () => {
    const count = 400;
    const source = batchOf(count).pixels;
    const batch = batchOf(count);
    augmentBatch(batch, { flip: true, shift: 2, erase: 0 }, makeRng(3));
    const seen = new Set<string>();
    for (let image = 0; image < count; image++) {
      const found: string[] = [];
      for (const mirror of [false, true]) {
        for (let dy = -2; dy <= 2; dy++) {
          for (let dx = -2; dx <= 2; dx++) {
            let same = true;
            for (let y = 0; y < SIDE && same; y++) {
              for (let x = 0; x < SIDE && same; x++) {
                const inside = y - dy >= 0 && y - dy < SIDE && x - dx >= 0 && x - dx < SIDE;
                const fromX = mirror ? SIDE - 1 - (x - dx) : x - dx;
                same = pixelAt(batch.pixels, image, y, x) === (inside ? pixelAt(source, image, y - dy, fromX) : 0);
              }
            }
            if (same) found.push(`${mirror} ${dy} ${dx}`);
          }
        }
      }
      expect(found, `image ${image}`).toHaveLength(1);
      seen.add(found[0]!);
    }
    expect(seen.size).toBe(50); // 2 mirrors x 5 x 5 moves
  });

  it('erases one rectangle in about the asked share of images', () => {
    const count = 300;
    const source = batchOf(count).pixels;
    const batch = batchOf(count);
    augmentBatch(batch, { flip: false, shift: 0, erase: 0.3 }, makeRng(5));
    let erased = 0;
    for (let image = 0; image < count; image++) {
      const size = SIDE * SIDE;
      const changed = batch.pixels
        .subarray(image * size, (image + 1) * size)
        .findIndex((v, i) => v !== source[image * size + i]);
      if (changed >= 0) erased++;
    }
    const expected = 90; // 300 x 0.3; the standard deviation is 8
    expect(Math.abs(erased - expected)).toBeLessThan(32);
  });

  it("varies an image by its place and the seed, not by the batch's other images", () => {
    const small = batchOf(2);
    const large = batchOf(6);
    const how = { flip: true, shift: 2, erase: 0.5 };
    augmentBatch(small, how, makeRng(8));
    augmentBatch(large, how, makeRng(8));
    expect(large.pixels.subarray(0, small.pixels.length)).toEqual(small.pixels);
  });
});
