import { describe, expect, it } from 'vitest';
import { prepareBatch, prepareImages, takePixels } from '../../../src/data/prepare-images.js';
import type { ImageSet, InputSpec } from '../../../src/tensor/image-set.js';

const spec: InputSpec = {
  channels: 2,
  channelOrder: 'rgb',
  range: [-1, 1],
  mean: [0.1, -0.2],
  std: [0.5, 2],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 1,
};
const set: ImageSet = {
  count: 3,
  height: 4,
  width: 4,
  channels: 2,
  pixels: Uint8Array.from({ length: 96 }, (_, i) => (i * 53) % 256),
};

describe('prepareImages', () => {
  it('scales to the range and normalizes per channel, in the order of the indices', () => {
    const { dims, data } = prepareImages(set, [2, 0], spec, 4);
    expect(dims).toEqual([2, 2, 4, 4]);
    [2, 0].forEach((image, n) => {
      for (let c = 0; c < 2; c++) {
        for (let i = 0; i < 16; i++) {
          const pixel = set.pixels[(image * 16 + i) * 2 + c]!;
          const expected = (-1 + (pixel / 255) * 2 - spec.mean[c]!) / spec.std[c]!;
          expect(data[(n * 2 + c) * 16 + i]).toBeCloseTo(expected, 5);
        }
      }
    });
  });

  it('resizes before it normalizes: the mean of a halved image is the normalized mean', () => {
    const { data } = prepareImages(set, [1], spec, 1);
    // A triangle of half-width 4 around the middle of 4 pixels: 1 - 1.5/4, 1 - 0.5/4, ... over their sum.
    const weights = [5 / 24, 7 / 24, 7 / 24, 5 / 24];
    let mean = 0;
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 4; x++) mean += weights[y]! * weights[x]! * set.pixels[(16 + y * 4 + x) * 2]!;
    }
    expect(data[0]).toBeCloseTo((-1 + (mean / 255) * 2 - 0.1) / 0.5, 4);
  });

  it('crops the centre before the resize', () => {
    const { data } = prepareImages(set, [0], { ...spec, cropFraction: 0.5 }, 2);
    const pixel = set.pixels[(1 * 4 + 1) * 2]!; // first pixel of the middle 2 x 2
    expect(data[0]).toBeCloseTo((-1 + (pixel / 255) * 2 - 0.1) / 0.5, 5);
  });

  it('writes into the buffer it is given', () => {
    const out = new Float32Array(2 * 16);
    expect(prepareBatch(takePixels(set, [0]), spec, 4, out).data).toBe(out);
  });

  it('refuses images of other channels', () => {
    expect(() => prepareImages({ ...set, channels: 1, pixels: set.pixels.slice(48) }, [0], spec, 4)).toThrow(
      /have 1 channels, the network takes 2/,
    );
  });
});
