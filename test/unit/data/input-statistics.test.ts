import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { inputSpecOf } from '../../../src/data/input-statistics.js';

describe('inputSpecOf', () => {
  const rng = makeRng(2);
  const size = 6 * 5 * 3;
  const pixels = Uint8Array.from({ length: 4 * size }, (_, i) => rng.int(40 + 70 * (i % 3)));
  const set = { count: 4, height: 6, width: 5, channels: 3, pixels };

  it('has the mean and standard deviation of the chosen images alone, per channel', () => {
    const spec = inputSpecOf(set, [0, 2]);
    for (const channel of [0, 1, 2]) {
      const values = [0, 2].flatMap((image) =>
        Array.from({ length: 30 }, (_, i) => pixels[image * size + 3 * i + channel]! / 255),
      );
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(spec.mean[channel]).toBeCloseTo(mean, 6);
      expect(spec.std[channel]).toBeCloseTo(Math.sqrt(variance), 6);
    }
    expect(spec).toMatchObject({ channels: 3, channelOrder: 'rgb', range: [0, 1], cropFraction: 1 });
  });

  it('can be divided by where all pixels are the same', () => {
    const flat = { count: 2, height: 2, width: 2, channels: 1, pixels: new Uint8Array(8).fill(51) };
    const spec = inputSpecOf(flat, [0, 1]);
    expect(spec).toMatchObject({ channelOrder: 'grey', mean: [0.2] });
    expect(spec.std[0]).toBeGreaterThan(0);
  });
});
