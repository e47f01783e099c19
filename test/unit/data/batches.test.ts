import { describe, expect, it } from 'vitest';
import { makeBatches } from '../../../src/data/batches.js';

const images = Array.from({ length: 103 }, (_, i) => 1000 + i * 2);

describe('makeBatches', () => {
  it('shows every image at most once per epoch, in whole batches', () => {
    const source = makeBatches(images, 10, 7);
    expect(source.stepsPerEpoch).toBe(10);
    const epoch = Array.from({ length: 10 }, (_, step) => [...source.indices(step)]).flat();
    expect(new Set(epoch).size).toBe(100);
    expect(epoch.every((index) => images.includes(index))).toBe(true);
  });

  it('gives a step the same images in whatever order steps are asked for', () => {
    const forward = makeBatches(images, 10, 7);
    const all = Array.from({ length: 35 }, (_, step) => [...forward.indices(step)]);
    const resumed = makeBatches(images, 10, 7);
    for (const step of [34, 3, 22, 0, 21]) expect([...resumed.indices(step)]).toEqual(all[step]);
  });

  it('orders every epoch and every seed differently', () => {
    const source = makeBatches(images, 10, 7);
    expect([...source.indices(0)]).not.toEqual([...source.indices(10)]);
    expect([...source.indices(0)]).not.toEqual([...makeBatches(images, 10, 8).indices(0)]);
  });
});
