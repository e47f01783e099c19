import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { openImages } from '../../../src/data/open-images.js';
import { encodeIdx } from '../../../src/tensor/idx.js';
import { tensorFrom } from '../../../src/tensor/tensor.js';

const made: string[] = [];
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});
function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'bespoke-stored-'));
  made.push(dir);
  return dir;
}
const random = (length: number, below = 256): Uint8Array => {
  const rng = makeRng(length);
  return Uint8Array.from({ length }, () => rng.int(below));
};

describe('IDX files', () => {
  const [N, H, W] = [20, 5, 7];
  const pixels = random(N * H * W);
  const labels = Uint8Array.from({ length: N }, (_, i) => (i * 3) % 4);

  function write(
    options: { readonly labels?: Uint8Array; readonly zip?: boolean; readonly dims?: number[] } = {},
  ): string {
    const dir = temporary();
    const put = (name: string, dims: readonly number[], data: Uint8Array): void => {
      const bytes = encodeIdx(tensorFrom('uint8', dims, data));
      if (options.zip === true) writeFileSync(join(dir, `${name}.gz`), gzipSync(bytes));
      else writeFileSync(join(dir, name), bytes);
    };
    put('train-images-idx3-ubyte', options.dims ?? [N, H, W], pixels);
    put('train-labels-idx1-ubyte', [N], options.labels ?? labels);
    put('t10k-images-idx3-ubyte', [2, H, W], random(2 * H * W));
    put('t10k-labels-idx1-ubyte', [2], Uint8Array.of(0, 3));
    return dir;
  }

  it('are opened plain or gzipped, with as many classes as their labels say', async () => {
    const source = await openImages(write());
    expect(source).toMatchObject({ layout: 'idx', classNames: ['0', '1', '2', '3'] });
    expect(await source.shape()).toEqual({ channels: 1, side: 5 });
    expect([...source.pool.labels]).toEqual([...labels]);
    expect([...(source.test?.labels ?? [])]).toEqual([0, 3]);
    expect((await openImages(write({ zip: true }))).fingerprint()).toBe(source.fingerprint());
    const other = labels.with(0, 1);
    expect((await openImages(write({ labels: other }))).fingerprint()).not.toBe(source.fingerprint());
  });

  it('give the middle square of each image, in their own size, grey or repeated', async () => {
    const { pool } = await openImages(write());
    const { images } = await pool.read([3, 1], { channels: 1, side: 99 });
    const square = (image: number): number[] =>
      Array.from({ length: 25 }, (_, i) => pixels[(image * H + Math.floor(i / 5)) * W + 1 + (i % 5)]!);
    expect([...images.pixels]).toEqual([...square(3), ...square(1)]);
    expect([...images.labels]).toEqual([labels[3], labels[1]]);
    const rgb = await pool.read([3], { channels: 3, side: 99 });
    expect([...rgb.images.pixels]).toEqual(square(3).flatMap((value) => [value, value, value]));
  });

  it('take the names of their classes from classes.txt', async () => {
    const dir = write();
    writeFileSync(join(dir, 'classes.txt'), 'zero\none\r\ntwo\nthree\n');
    expect((await openImages(dir)).classNames).toEqual(['zero', 'one', 'two', 'three']);
    writeFileSync(join(dir, 'classes.txt'), 'zero\none\n');
    await expect(openImages(dir)).rejects.toThrow(/labels go up to 3, the file names 2 classes/);
  });

  it('are refused for a label out of range, by file and index', async () => {
    await expect(openImages(write({ labels: labels.with(17, 9) }), 4)).rejects.toThrow(
      /train-labels-idx1-ubyte: labels are 0\.\.3, label 17 is 9/,
    );
    await expect(openImages(write(), 3)).rejects.toThrow(/labels are 0\.\.2, label 1 is 3/);
  });

  it('are refused for a missing file, another number of channels, and one class', async () => {
    const dir = write();
    rmSync(join(dir, 'train-labels-idx1-ubyte'));
    await expect(openImages(dir)).rejects.toThrow(/holds neither train-labels-idx1-ubyte.gz nor train-labels/);
    await expect(openImages(write({ dims: [N, 1, H, W] }))).rejects.toThrow(/1 or 3 channels, got 7/);
    const single = write({ labels: labels.map(() => 0) });
    rmSync(join(single, 't10k-images-idx3-ubyte'));
    await expect(openImages(single)).rejects.toThrow(/at least 2 classes/);
  });
});

describe('CIFAR files', () => {
  const PLANE = 1024;
  /** Records with labels before the planes R, G, B. */
  function records(count: number, labels: (i: number) => readonly number[]): Buffer {
    return Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        Buffer.concat([Buffer.from(labels(i)), random(3 * PLANE + i).subarray(i)]),
      ),
    );
  }
  const ten = (count: number, first: number): Buffer => records(count, (i) => [(first + i) % 10]);

  it('of CIFAR-10 are joined in the order of their names, planes become pixels, and the test file stays apart', async () => {
    const parent = temporary();
    const dir = join(parent, 'cifar-10-batches-bin');
    mkdirSync(dir);
    writeFileSync(join(dir, 'data_batch_2.bin'), ten(3, 5));
    writeFileSync(join(dir, 'data_batch_1.bin'), ten(2, 0));
    writeFileSync(join(dir, 'test_batch.bin'), ten(1, 9));
    const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
    writeFileSync(join(dir, 'batches.meta.txt'), `${names.join('\n')}\n\n`);
    for (const given of [parent, dir]) {
      const source = await openImages(given);
      expect(source).toMatchObject({ layout: 'cifar-10', classNames: names });
      expect([...source.pool.labels]).toEqual([0, 1, 5, 6, 7]);
      expect([...(source.test?.labels ?? [])]).toEqual([9]);
      const { images } = await source.pool.read([3], { channels: 3, side: 32 });
      const bytes = random(3 * PLANE + 1).subarray(1); // the second record of data_batch_2.bin
      expect([images.pixels[0], images.pixels[1], images.pixels[2]]).toEqual([
        bytes[0],
        bytes[PLANE],
        bytes[2 * PLANE],
      ]);
      expect(images.pixels[3 * 1023 + 1]).toBe(bytes[PLANE + 1023]);
    }
  });

  it('of CIFAR-100 give the fine label', async () => {
    const dir = temporary();
    writeFileSync(
      join(dir, 'train.bin'),
      records(3, (i) => [19, 50 + i]),
    );
    const source = await openImages(dir);
    expect(source.layout).toBe('cifar-100');
    expect(source.classNames).toHaveLength(100);
    expect([...source.pool.labels]).toEqual([50, 51, 52]);
    expect(await source.shape()).toEqual({ channels: 3, side: 32 });
  });

  it('are refused for a label out of range, by file and record, and for half a record', async () => {
    const dir = temporary();
    writeFileSync(
      join(dir, 'data_batch_1.bin'),
      records(4, (i) => [i === 2 ? 10 : 0]),
    );
    await expect(openImages(dir)).rejects.toThrow(/data_batch_1\.bin: labels are 0\.\.9, label 2 is 10/);
    writeFileSync(join(dir, 'data_batch_1.bin'), ten(2, 0).subarray(0, 5000));
    await expect(openImages(dir)).rejects.toThrow(/whole number of records of 3073 bytes, this one has 5000/);
  });
});
