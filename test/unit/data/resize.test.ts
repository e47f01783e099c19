import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resizeBilinear, resizeWeights } from '../../../src/data/resize.js';

interface GoldenCase {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly size: number;
  readonly pixels: number[];
  readonly expected: number[];
}
const golden = JSON.parse(readFileSync(new URL('../../golden/resize/resize.json', import.meta.url), 'utf8')) as {
  cases: GoldenCase[];
};
/** Pixel values reach 255: float32 sums of some ten products are right to about 1e-4. */
const TOLERANCE = 1e-3;

describe('resizeBilinear', () => {
  it.each(golden.cases.map((c) => [`${c.height}x${c.width}x${c.channels} to ${c.size}`, c] as const))(
    'agrees with PyTorch antialiased interpolation: %s',
    (_, { expected, pixels, size, ...shape }) => {
      const out = new Float32Array(expected.length);
      resizeBilinear({ ...shape, pixels: Uint8Array.from(pixels) }, size, out);
      const worst = Math.max(...expected.map((value, i) => Math.abs(value - out[i]!)));
      expect(worst).toBeLessThan(TOLERANCE);
    },
  );

  it('copies exactly when the size stays', () => {
    const pixels = Uint8Array.from({ length: 2 * 5 * 5 * 2 }, (_, i) => (i * 37) % 256);
    const out = new Float32Array(pixels.length);
    resizeBilinear({ count: 2, height: 5, width: 5, channels: 2, pixels }, 5, out);
    for (let n = 0; n < 2; n++) {
      for (let c = 0; c < 2; c++) {
        for (let i = 0; i < 25; i++) expect(out[(n * 2 + c) * 25 + i]).toBe(pixels[(n * 25 + i) * 2 + c]);
      }
    }
  });

  it('keeps a constant image constant at any size', () => {
    for (const size of [1, 3, 8, 19, 40]) {
      const out = new Float32Array(size * size);
      resizeBilinear(
        { count: 1, height: 13, width: 17, channels: 1, pixels: new Uint8Array(13 * 17).fill(77) },
        size,
        out,
      );
      for (const value of out) expect(value).toBeCloseTo(77, 4);
    }
  });
});

describe('resizeWeights', () => {
  it('has weights that sum to one for every output pixel', () => {
    const { taps, weights, outputSize } = resizeWeights(28, 20);
    for (let i = 0; i < outputSize; i++) {
      const sum = weights.slice(i * taps, (i + 1) * taps).reduce((total, w) => total + w, 0);
      expect(sum).toBeCloseTo(1, 6);
    }
  });
});
