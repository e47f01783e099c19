import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DEBIAN_FASHION_MNIST_DIR,
  FASHION_MNIST_CLASSES,
  FASHION_MNIST_INPUT,
  hasFashionMnist,
  loadFashionMnist,
} from '../../src/data/fashion-mnist.js';
import { prepareImages, takePixels } from '../../src/data/prepare-images.js';
import { SPLIT_SEED, splitTrainValidation } from '../../src/data/splits.js';
import { calibrateBatchNorm, calibrationInput } from '../../src/evaluate/calibrate.js';
import { measureTop1 } from '../../src/evaluate/top1.js';
import { createSession } from '../../src/runtime/session.js';
import { lower } from '../../src/space/lower.js';
import { loadBundle, writeBundle } from '../../src/supernet/bundle.js';
import { extractSubnet } from '../../src/supernet/extract.js';
import { sliceSubnet } from '../../src/supernet/slice.js';
import type { ImageSet } from '../../src/tensor/image-set.js';
import { collectAccuracies } from '../../src/train/predictor/collect.js';
import { readLabels } from '../../src/train/predictor/label-file.js';
import { randomSupernet, tinySpace } from '../helpers/supernets.js';

const dataDir = process.env.BESPOKE_FASHION_MNIST ?? DEBIAN_FASHION_MNIST_DIR;
const space = tinySpace({ inputChannels: 1, classes: 10 });

/** Soft top-1 by its definition: the mean of p / (p + q), p the softmax of the image's class, q the largest of the others. */
async function softTop1(model: Uint8Array, images: ImageSet, resolution: number): Promise<number> {
  const session = await createSession(model, { threads: 1, optimization: 'all' });
  try {
    const all = Array.from({ length: images.count }, (_, i) => i);
    const input = prepareImages(images, all, FASHION_MNIST_INPUT, resolution);
    const { logits } = await session.run({ input });
    const shares = all.map((i) => {
      const exps = Array.from((logits!.data as Float32Array).subarray(10 * i, 10 * i + 10), Math.exp);
      const sum = exps.reduce((total, e) => total + e, 0);
      const [p] = exps.splice(images.labels![i]!, 1);
      const q = Math.max(...exps);
      return p! / sum / (p! / sum + q / sum);
    });
    return shares.reduce((total, share) => total + share, 0) / shares.length;
  } finally {
    await session.release();
  }
}

/** Needs the Fashion-MNIST files: their folder is BESPOKE_FASHION_MNIST, or where Debian's package puts them. */
describe.skipIf(!hasFashionMnist(dataDir))('labels collected in worker processes', () => {
  let dir: string;
  let bundleDir: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'collect-'));
    bundleDir = join(dir, 'bundle');
    const { train } = loadFashionMnist(dataDir);
    const { tensors } = randomSupernet(space, 1);
    const first = (count: number, start: number) => ({
      ...takePixels(
        train,
        Array.from({ length: count }, (_, i) => start + i),
      ),
      labels: train.labels!.slice(start, start + count),
    });
    await writeBundle(bundleDir, {
      id: 'tiny',
      title: 'Tiny',
      space,
      tensors,
      input: FASHION_MNIST_INPUT,
      classNames: FASHION_MNIST_CLASSES,
      calibration: first(120, 0),
      verification: first(20, 1000),
    });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('are those of the delivered networks, and a run goes on where another stopped', { timeout: 180_000 }, async () => {
    const outFile = join(dir, 'labels.jsonl');
    const options = { bundleDir, dataDir, outFile, workers: 2, seed: 1, images: 150, calibrationImages: 100 };
    const done: number[] = [];
    expect(await collectAccuracies({ ...options, count: 4, onProgress: (p) => done.push(p.done) })).toBe(4);
    expect(done).toEqual([1, 2, 3, 4]);
    const { rows } = await readLabels(outFile);

    // The other way to the same number: cut, calibrate, export, and measure the model file on the same images.
    const bundle = await loadBundle(bundleDir);
    const { train } = loadFashionMnist(dataDir);
    const selection = splitTrainValidation(train.labels!, SPLIT_SEED).selection.slice(0, 150);
    const images = { ...takePixels(train, selection), labels: Uint8Array.from(selection, (i) => train.labels![i]!) };
    for (const { arch, top1, halves, soft } of rows) {
      const subnet = sliceSubnet(bundle.supernet, arch, lower(space, arch));
      const calibration = calibrationInput(bundle.calibration, bundle.input, arch.resolution, 100);
      const statistics = await calibrateBatchNorm(subnet, calibration, { batch: 200, threads: 1 });
      const { model } = extractSubnet(bundle, subnet, statistics);
      const measured = await measureTop1(model, images, { threads: 1 });
      expect(top1).toBeCloseTo(measured.top1, 12);
      expect((halves[0] + halves[1]) / 2).toBeCloseTo(top1, 12);
      // float32 in batches of another size: some kernels sum in another order.
      expect((soft[0] + soft[1]) / 2).toBeCloseTo(await softTop1(model, images, arch.resolution), 5);
    }

    // Two labels are kept; the other two are measured again and come out the same, in any order.
    const lines = readFileSync(outFile, 'utf8').split('\n');
    writeFileSync(outFile, `${lines.slice(0, 3).join('\n')}\n`);
    expect(await collectAccuracies({ ...options, count: 4 })).toBe(4);
    const again = (await readLabels(outFile)).rows;
    const byId = (list: typeof rows) => [...list].sort((a, b) => (a.archId < b.archId ? -1 : 1));
    expect(byId(again)).toEqual(byId(rows));
    expect(await collectAccuracies({ ...options, count: 4 })).toBe(4);
    await expect(collectAccuracies({ ...options, images: 140, count: 4 })).rejects.toThrow(/holds labels of/);
  });

  it('stop when told to, and say what a worker could not read', { timeout: 120_000 }, async () => {
    const options = { bundleDir, dataDir, outFile: join(dir, 'none.jsonl'), workers: 1, seed: 1, images: 50, count: 3 };
    await expect(collectAccuracies({ ...options, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    await expect(collectAccuracies({ ...options, dataDir: join(dir, 'empty') })).rejects.toThrow(/empty/);
  });
});
