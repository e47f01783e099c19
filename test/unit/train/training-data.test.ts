import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DEBIAN_FASHION_MNIST_DIR, FASHION_MNIST_INPUT, hasFashionMnist } from '../../../src/data/fashion-mnist.js';
import { openImages } from '../../../src/data/open-images.js';
import { FASHION_MNIST_PLAN } from '../../../src/data/splits.js';
import { templateSpace } from '../../../src/space/template.js';
import { loadBundle } from '../../../src/supernet/bundle.js';
import { encodeSafetensors } from '../../../src/tensor/safetensors.js';
import { parseDataRecord, recordOfBundle } from '../../../src/train/data-record.js';
import { makeBundle } from '../../../src/train/make-bundle.js';
import { readTrainingData, recordedSplits, recordedTarget, shareImages } from '../../../src/train/training-data.js';
import { encodePng } from '../../helpers/raw-images.js';
import { randomSupernet } from '../../helpers/supernets.js';

const made: string[] = [];
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** Greys that tell every image apart. */
const greyOf = (label: number, i: number): number => 100 * label + i;

function put(dir: string, name: string, content: Uint8Array | string): void {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), content);
}

/** Class folders of so many plain images each. */
function photos(counts: readonly number[], side = 8): string {
  const dir = mkdtempSync(join(tmpdir(), 'bespoke-training-data-'));
  made.push(dir);
  for (const [label, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      const samples = new Array<number>(side * side).fill(greyOf(label, i));
      put(dir, `class${label}/${i}.png`, encodePng({ width: side, height: side, channels: 1, samples }));
    }
  }
  return dir;
}
const space = templateSpace({ classes: 2, channels: 1, size: 8 });

describe('readTrainingData', () => {
  it('reads the training and the selection part, and nothing of the verification part', async () => {
    const source = await openImages(photos([40, 20]));
    const { data, record, splits } = await readTrainingData(source, space);
    expect([data.train.length, data.selection.length, data.images.count]).toEqual([48, 6, 54]);
    const read = [...data.images.pixels.filter((_, i) => i % 64 === 0)];
    const greys = Array.from(source.pool.labels, (label, index) => greyOf(label, label === 0 ? index : index - 40));
    // Files are listed by name, 0, 1, 10, 11, …, so which grey is where is asked for, not computed.
    const all = (await source.pool.read(Array.from(greys.keys()), recordedTarget(record))).images.pixels;
    const greyAt = (index: number): number => all[index * 64]!;
    expect(data.train.map((place) => read[place])).toEqual(splits.train.map(greyAt));
    expect(data.selection.map((place) => read[place])).toEqual(splits.selection.map(greyAt));
    const unseen = new Set(splits.verification.map(greyAt));
    expect(read.filter((grey) => unseen.has(grey))).toEqual([]);
    expect(record).toMatchObject({
      plan: { by: 'share', seed: 2020, heldOut: 0.2 },
      side: 8,
      classNames: ['class0', 'class1'],
      images: { train: 48, selection: 6, verification: 6 },
    });
    const mean = splits.train.reduce((sum, index) => sum + greyAt(index), 0) / 48 / 255;
    expect(record.input.mean[0]).toBeCloseTo(mean, 6);
    expect(shareImages(data.images).pixels).toBe(data.images.pixels); // already shared: no copy
  });

  it('leaves an unreadable image out of its part, and moves no other', async () => {
    const dir = photos([40, 20]);
    const whole = await readTrainingData(await openImages(dir), space);
    const source = await openImages(dir);
    const broken = source.pool.nameOf(whole.splits.selection[0]!);
    writeFileSync(join(dir, broken), 'no image');
    const { splits, skipped, data } = await readTrainingData(await openImages(dir), space);
    expect(splits).toEqual(whole.splits);
    expect(skipped.map(({ name }) => name)).toEqual([broken]);
    expect([data.train.length, data.selection.length]).toEqual([48, 5]);
  });

  it('refuses classes that are not as many as the space has, and channels that images do not have', async () => {
    const source = await openImages(photos([5, 5, 5]));
    await expect(readTrainingData(source, space)).rejects.toThrow(
      /has 2 classes, .* has 3: class0, class1, class2; set "classes"/,
    );
    const strange = { ...space, classes: 3, inputChannels: 2 };
    await expect(readTrainingData(source, strange)).rejects.toThrow(/takes 2 channels; images have 1 \(grey\) or 3/);
  });

  it('refuses a class of which no training image can be read', async () => {
    const dir = photos([30, 3]);
    for (let i = 0; i < 3; i++) put(dir, `class1/${i}.png`, 'no image');
    await expect(readTrainingData(await openImages(dir), space)).rejects.toThrow(
      /no training image of class1 can be read/,
    );
  });

  it('holds out the validation part of a divided folder, and then takes no other share', async () => {
    const dir = photos([20, 20]);
    for (const part of ['train', 'val']) mkdirSync(join(dir, part));
    for (const label of [0, 1]) {
      renameSync(join(dir, `class${label}`), join(dir, 'train', `class${label}`));
      for (let i = 0; i < 4; i++) {
        mkdirSync(join(dir, 'val', `class${label}`), { recursive: true });
        renameSync(join(dir, `train/class${label}/${i}.png`), join(dir, `val/class${label}/${i}.png`));
      }
    }
    const source = await openImages(dir);
    const { record } = await readTrainingData(source, space);
    expect(record).toMatchObject({ plan: { by: 'folder' }, images: { train: 32, selection: 4, verification: 4 } });
    await expect(readTrainingData(source, space, { heldOut: 0.3 })).rejects.toThrow(/has a validation part of its own/);
  });
});

describe('the record of a run', () => {
  it('comes back from JSON, and gives the same split', async () => {
    const source = await openImages(photos([12, 9]));
    const { record, splits } = await readTrainingData(source, space, { heldOut: 0.4, splitSeed: 3, maxCorrupt: 0.5 });
    const again = parseDataRecord(JSON.parse(JSON.stringify(record)), 'data.json');
    expect(again).toEqual(record);
    expect(recordedSplits(source, again)).toEqual(splits);
    expect(recordedTarget(again)).toEqual({ channels: 1, side: 8, maxCorrupt: 0.5 });
  });

  it.each([
    [{ plan: { by: 'luck', seed: 1 } }, /data.json: plan: by must be one of count, share, folder/],
    [{ fingerprint: 'abc' }, /fingerprint must be a sha256 in hex/],
    [{ schema: 2 }, /schema must be/],
    [{ side: 0 }, /side must be a whole number/],
    [{ classNames: [1] }, /classNames must be a list of texts/],
  ])('is refused with %j', async (change, words) => {
    const { record } = await readTrainingData(await openImages(photos([4, 4])), space);
    expect(() => parseDataRecord({ ...record, ...change }, 'data.json')).toThrow(words);
  });

  it('is of no use for other images', async () => {
    const dir = photos([12, 9]);
    const { record } = await readTrainingData(await openImages(dir), space);
    renameSync(join(dir, 'class0/3.png'), join(dir, 'class1/3b.png'));
    const changed = await openImages(dir);
    expect(() => recordedSplits(changed, record)).toThrow(/is not the data that the supernet was trained on/);
  });
});

describe('makeBundle', () => {
  it('ships verification images that were not trained on, calibration images that were, and the record', async () => {
    const dir = photos([40, 20]);
    const source = await openImages(dir);
    const { record, splits } = await readTrainingData(source, space);
    const weightsPath = join(dir, 'weights');
    writeFileSync(weightsPath, encodeSafetensors(randomSupernet(space, 1).tensors));
    const outDir = join(dir, '..', `${dir.split('/').at(-1)}-bundle`);
    made.push(outDir);
    const sha = await makeBundle({ id: 'own', title: 'Own', space, weightsPath, source, record, outDir });
    const bundle = await loadBundle(outDir);
    expect(bundle).toMatchObject({ id: 'own', classNames: record.classNames, input: record.input });
    expect(bundle.supernet.sha256).toBe(sha);
    const greysOf = async (indices: readonly number[]): Promise<number[]> =>
      [...(await source.pool.read(indices, recordedTarget(record))).images.pixels].filter((_, i) => i % 64 === 0);
    const greys = (pixels: Uint8Array): number[] => [...pixels.filter((_, i) => i % 64 === 0)];
    expect(greys(bundle.verification.pixels)).toEqual(await greysOf(splits.verification));
    expect([...(bundle.verification.labels ?? [])]).toEqual(
      splits.verification.map((index) => source.pool.labels[index]),
    );
    const byValue = (a: number, b: number): number => a - b;
    expect(greys(bundle.calibration.pixels).sort(byValue)).toEqual((await greysOf(splits.train)).sort(byValue));
    expect(recordOfBundle(bundle, source)).toEqual(record);
    const { figures: _, ...unsaid } = bundle;
    expect(() => recordOfBundle({ ...unsaid, figures: {} }, source)).toThrow(/figures\.data is missing/);
  });
});

describe.skipIf(!hasFashionMnist(DEBIAN_FASHION_MNIST_DIR))('Fashion-MNIST', () => {
  it('keeps the split, the normalization and the class names of the bundled supernet', async () => {
    const source = await openImages(DEBIAN_FASHION_MNIST_DIR, 10);
    const { record, data, splits } = await readTrainingData(
      source,
      templateSpace({ classes: 10, channels: 1, size: 28 }),
    );
    expect(record).toMatchObject({ plan: FASHION_MNIST_PLAN, input: FASHION_MNIST_INPUT });
    expect(record.classNames[9]).toBe('Ankle boot');
    expect([data.train.length, data.selection.length]).toEqual([55_000, 3_000]);
    expect(data.images.count).toBe(58_000);
    expect(splits.verification).toHaveLength(2_000);
    const other = await readTrainingData(source, templateSpace({ classes: 10, channels: 1, size: 28 }), {
      heldOut: 0.1,
    });
    expect(other.record.plan).toEqual({ by: 'share', seed: 2020, heldOut: 0.1 });
    expect(other.record.input.mean[0]).toBeCloseTo(FASHION_MNIST_INPUT.mean[0]!, 2);
  });
});
