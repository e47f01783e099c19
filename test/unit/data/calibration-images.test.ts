import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCalibrationImages } from '../../../src/data/calibration-images.js';
import { decodeInto } from '../../../src/data/decode.js';
import { writeShapeImages } from '../../helpers/shape-images.js';

const TARGET = { channels: 3, side: 10, count: 100 } as const;
const SIZE = 10 * 10 * 3;

let scratch: string;
/** 8 images of each of three classes, and the same files in one folder. */
let classes: string;
let flat: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-calibration-'));
  classes = join(scratch, 'classes');
  flat = join(scratch, 'flat');
  await writeShapeImages(classes, 8, 24);
  await mkdir(flat);
  for (const shape of ['circle', 'cross', 'square']) {
    for (let i = 0; i < 8; i++) {
      const type = i % 2 === 0 ? 'png' : 'jpg';
      await cp(join(classes, shape, `${i}.${type}`), join(flat, `${shape}-${i}.${type}`));
    }
  }
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** The images of a set as texts that can be sorted and compared. */
function each({ pixels, count }: { readonly pixels: Uint8Array; readonly count: number }): string[] {
  return Array.from({ length: count }, (_, i) => pixels.subarray(i * SIZE, (i + 1) * SIZE).join());
}

describe('images to calibrate with', () => {
  it('are the files of class folders or of one folder, each as it is read one by one', async () => {
    const alone = await Promise.all(
      ['circle', 'cross', 'square'].flatMap((shape) =>
        [0, 1, 2, 3, 4, 5, 6, 7].map(async (i) => {
          const pixels = new Uint8Array(SIZE);
          const path = join(classes, shape, `${i}.${i % 2 === 0 ? 'png' : 'jpg'}`);
          await decodeInto(path, TARGET.side, { pixels, start: 0, channels: 3 });
          return pixels.join();
        }),
      ),
    );
    for (const dir of [classes, flat]) {
      const { images, skipped } = await readCalibrationImages(dir, TARGET);
      expect({ ...images, pixels: images.pixels.length, skipped: skipped.length }).toEqual({
        ...{ count: 24, height: 10, width: 10, channels: 3 },
        ...{ pixels: 24 * SIZE, skipped: 0 },
      });
      expect(each(images).sort()).toEqual([...alone].sort());
    }
  });

  it('are mixed, so that the first of them are of several classes, and the same every time', async () => {
    const first = await readCalibrationImages(classes, { ...TARGET, count: 16 });
    const again = await readCalibrationImages(classes, { ...TARGET, count: 16 });
    expect(first).toEqual(again);
    const sorted = await readCalibrationImages(classes, TARGET);
    expect(each(first.images)).toEqual(each(sorted.images).slice(0, 16)); // a shorter list is the beginning of a longer one
    const inOrder = new Set<string>();
    for (let i = 0; i < 8; i++) {
      const pixels = new Uint8Array(SIZE);
      const path = join(classes, 'circle', `${i}.${i % 2 === 0 ? 'png' : 'jpg'}`);
      await decodeInto(path, TARGET.side, { pixels, start: 0, channels: 3 });
      inOrder.add(pixels.join());
    }
    const circles = each(first.images)
      .slice(0, 8)
      .filter((image) => inOrder.has(image)).length;
    expect(circles).toBeLessThan(8);
  });

  it('are those of the training part where a folder has parts, and grey where the network is', async () => {
    const parts = join(scratch, 'parts');
    await cp(classes, join(parts, 'train'), { recursive: true });
    await cp(classes, join(parts, 'val'), { recursive: true });
    const { images } = await readCalibrationImages(parts, { channels: 1, side: 10, count: 100 });
    expect([images.count, images.channels, images.pixels.length]).toEqual([24, 1, 2400]);
  });

  it('leave out files that cannot be read, by name, and take others in their place', async () => {
    const damaged = join(scratch, 'damaged');
    await cp(flat, damaged, { recursive: true });
    for (let i = 0; i < 4; i++) await writeFile(join(damaged, `broken-${i}.png`), 'no image');
    const { images, skipped } = await readCalibrationImages(damaged, { ...TARGET, count: 24 });
    expect(images.count).toBe(24);
    const whole = await readCalibrationImages(flat, TARGET);
    expect(each(images).sort()).toEqual(each(whole.images).sort());
    expect(skipped.every(({ name, reason }) => /^broken-\d\.png$/.test(name) && reason !== '')).toBe(true);
    expect(skipped.length).toBeGreaterThan(0);
  });
});

describe('a folder that cannot be calibrated with is refused in one sentence', () => {
  it.each([
    ['that is not there', async () => join(scratch, 'nowhere'), /nowhere" cannot be read: there is no such folder/],
    [
      'without images',
      async () => {
        const dir = join(scratch, 'texts');
        await mkdir(dir, { recursive: true });
        await writeFile(join(dir, 'readme.txt'), 'none');
        return dir;
      },
      /hold an image to calibrate with; read are png and jpeg/,
    ],
    [
      'with too few',
      async () => {
        const dir = join(scratch, 'few');
        await cp(join(classes, 'circle'), dir, { recursive: true });
        return dir;
      },
      /calibration needs at least 16 images, the folder has 8$/,
    ],
    [
      'with many that cannot be read: the first five by name, and how many more',
      async () => {
        const dir = join(scratch, 'broken');
        await cp(flat, dir, { recursive: true });
        for (let i = 0; i < 30; i++) await writeFile(join(dir, `broken-${i}.jpg`), 'no image');
        return dir;
      },
      /^.*broken: \d+ of the first \d+ images cannot be read: (broken-\d+\.jpg \([^)]*\), ){4}broken-\d+\.jpg \([^)]*\) and \d+ more; mend or remove them$/,
    ],
  ])('%s', async (_, make, sentence) => {
    const dir = await make();
    await expect(readCalibrationImages(dir, TARGET)).rejects.toThrow(sentence);
  });
});
