import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkTrainingData } from '../../../src/train/check-data.js';
import { trainSupernet } from '../../../src/train/run.js';
import type { TrainingData } from '../../../src/train/training-data.js';
import { tinyRecipe, tinyRun, tinySpace } from './tiny-run.js';

const { data } = tinyRun('unused');
const check =
  (changes: Partial<TrainingData>, workers = 1) =>
  () =>
    checkTrainingData({ ...data, ...changes }, tinySpace, tinyRecipe(), workers);
/** The images with other members. */
const images = (changes: Partial<TrainingData['images']>) => ({ images: { ...data.images, ...changes } });

describe('checkTrainingData', () => {
  it('accepts what fits', () => {
    expect(check({})).not.toThrow();
  });

  it.each<[string, () => void, RegExp]>([
    [
      'a label beyond the classes, in training',
      check(images({ labels: data.images.labels!.with(7, 3) })),
      /image 7 .*training part\) has the label 3; the space has 3 classes, so labels are 0 to 2/,
    ],
    [
      'a label beyond the classes, held out',
      check(images({ labels: data.images.labels!.with(80, 255) })),
      /image 80 .*held-out part\) has the label 255/,
    ],
    ['missing labels', check(images({ labels: new Uint8Array(3) })), /3 labels for 96 images/],
    ['other channels', check(images({ channels: 3 })), /3 channels, the space "tiny" takes 1/],
    ['missing pixels', check(images({ pixels: new Uint8Array(5) })), /5 bytes of pixels are not 96 images of 12x12x1/],
    ['an index beyond the images', check({ train: [...data.train, 96] }), /names image 96; there are 96/],
    ['nothing held out', check({ selection: [] }), /no image is held out/],
    ['fewer images than a step takes', check({}, 10), /a step takes 80 images, there are 72/],
  ])('refuses %s', (_, attempt, message) => {
    expect(attempt).toThrow(message);
  });

  it('comes before anything is written', async () => {
    const dir = join(tmpdir(), 'bespoke-never-made');
    const labels = data.images.labels!.with(0, 9);
    const run = tinyRun(dir, { data: { ...data, images: { ...data.images, labels } } });
    await expect(trainSupernet(run)).rejects.toThrow(/image 0 .* has the label 9/);
    expect(existsSync(dir)).toBe(false);
  });
});
