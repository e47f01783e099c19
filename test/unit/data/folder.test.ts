import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ImageSource } from '../../../src/data/image-source.js';
import { openImages } from '../../../src/data/open-images.js';
import { encodePng } from '../../helpers/raw-images.js';

const made: string[] = [];
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** A plain square of one grey. */
const plain = (value: number, side = 4): Buffer =>
  encodePng({ width: side, height: side, channels: 1, samples: new Array<number>(side * side).fill(value) });

/** A folder of files by path; a number is a plain image of that grey. */
function folder(files: Readonly<Record<string, number | Uint8Array | string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'bespoke-folder-'));
  made.push(dir);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), typeof content === 'number' ? plain(content) : content);
  }
  return dir;
}

const namesOf = ({ pool }: ImageSource): string[] => Array.from(pool.labels, (_, index) => pool.nameOf(index));
const every = ({ pool }: ImageSource): number[] => Array.from(pool.labels.keys());
const GREY = { channels: 1, side: 4 } as const;

describe('a folder of class folders', () => {
  it('has its classes in the order of their names and its files by class, at any depth', async () => {
    const dir = folder({ 'b/1.png': 1, 'a/2.JPG': plain(2), 'a/1.png': 3, 'a/deep/er/0.jpeg': 4, 'C/x.png': 5 });
    const source = await openImages(dir);
    expect(source).toMatchObject({ layout: 'image-folder', classNames: ['C', 'a', 'b'], notes: [] });
    expect(namesOf(source)).toEqual(['C/x.png', 'a/1.png', 'a/2.JPG', 'a/deep/er/0.jpeg', 'b/1.png']);
    expect([...source.pool.labels]).toEqual([0, 1, 1, 1, 2]);
    expect(source.validationStart).toBeUndefined();
  });

  it('reads the images asked for, with their labels, into shared memory', async () => {
    const source = await openImages(folder({ 'a/1.png': 10, 'a/2.png': 20, 'b/1.png': 30, 'b/2.png': 40 }));
    const progress: number[] = [];
    const read = await source.pool.read([3, 0], GREY, { onProgress: ({ done }) => progress.push(done) });
    expect(read).toMatchObject({
      indices: [3, 0],
      skipped: [],
      images: { count: 2, height: 4, width: 4, channels: 1 },
    });
    expect([read.images.pixels[0], read.images.pixels[16], ...read.images.labels]).toEqual([40, 10, 1, 0]);
    expect(read.images.pixels.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(progress).toEqual([1, 2]);
    const rgb = await source.pool.read([2], { channels: 3, side: 2 });
    expect([...rgb.images.pixels]).toEqual(new Array(12).fill(30));
  });

  it('leaves out what systems leave behind, and says which files it does not read', async () => {
    const files = { 'a/.DS_Store': 'x', 'a/._1.png': 'x', '.git/b.png': 1, '__MACOSX/a.png': 1, 'a/Thumbs.db': 'x' };
    const dir = folder({
      ...files,
      'a/1.png': 1,
      'a/note.txt': 'x',
      'b/1.png': 2,
      'b/clip.gif': 'x',
      'readme.md': 'x',
    });
    const source = await openImages(dir);
    expect(namesOf(source)).toEqual(['a/1.png', 'b/1.png']);
    expect(source.notes).toEqual(['2 files are neither png nor jpeg and left out: a/note.txt, b/clip.gif']);
  });

  it('follows links, and stops at one that goes in a circle', async () => {
    const dir = folder({ 'a/1.png': 1, 'b/1.png': 2 });
    symlinkSync(join(dir, 'b'), join(dir, 'linked'));
    symlinkSync(join(dir, 'a', '1.png'), join(dir, 'b', '2.png'));
    symlinkSync(join(dir, 'nowhere'), join(dir, 'b', '3.png'));
    const source = await openImages(dir);
    expect(source.classNames).toEqual(['a', 'b', 'linked']);
    const read = await source.pool.read([1, 2, 3], GREY);
    expect(read.skipped).toEqual([{ name: 'b/3.png', reason: expect.stringContaining('ENOENT') }]);
    expect([read.images.pixels[0], read.images.pixels[16]]).toEqual([2, 1]);
    symlinkSync(dir, join(dir, 'a', 'round'));
    await expect(openImages(dir)).rejects.toThrow(/deeper than 8 folders/);
  });

  it('tells the usual side and whether all are grey', async () => {
    const color = encodePng({ width: 9, height: 30, channels: 3, samples: new Array<number>(810).fill(1) });
    const grey = { 'a/1.png': plain(1, 5), 'a/2.png': plain(1, 7), 'b/1.png': plain(1, 40), 'b/2.png': 'broken' };
    expect(await (await openImages(folder(grey))).shape()).toEqual({ channels: 1, side: 7 });
    expect(await (await openImages(folder({ ...grey, 'b/3.png': color }))).shape()).toEqual({ channels: 3, side: 9 });
    const broken = await openImages(folder({ 'a/1.png': 'x', 'b/1.png': 'x' }));
    await expect(broken.shape()).rejects.toThrow(/none of 2 images that were tried can be opened/);
  });

  it('is another one when a file is added, renamed or put into another class, and the same elsewhere', async () => {
    const files = { 'a/1.png': 1, 'a/2.png': 2, 'b/1.png': 3 };
    const print = async (of: Record<string, number>): Promise<string> => (await openImages(folder(of))).fingerprint();
    const { 'a/2.png': _, ...moved } = { ...files, 'b/2.png': 2 };
    const prints = await Promise.all([files, { ...files, 'b/9.png': 1 }, moved].map(print));
    expect(new Set(prints).size).toBe(3);
    expect(await print(files)).toBe(prints[0]);
  });
});

describe('a folder divided into parts', () => {
  const parts = { 'train/a/1.png': 1, 'train/b/1.png': 2, 'train/b/2.png': 3, 'val/a/1.png': 4, 'val/b/1.png': 5 };

  it('has training before validation in its pool, and its test part apart', async () => {
    const source = await openImages(folder({ ...parts, 'test/b/7.png': 6 }));
    expect(source).toMatchObject({ classNames: ['a', 'b'], validationStart: 3 });
    expect(namesOf(source).slice(3)).toEqual(['val/a/1.png', 'val/b/1.png']);
    expect([...source.pool.labels]).toEqual([0, 1, 1, 0, 1]);
    expect([...(source.test?.labels ?? [])]).toEqual([1]);
    expect(source.test?.nameOf(0)).toBe('test/b/7.png');
  });

  it('may have a test part alone, or a validation part of another name', async () => {
    const { 'val/a/1.png': _, 'val/b/1.png': __, ...train } = parts;
    expect(await openImages(folder({ ...train, 'test/a/1.png': 1 }))).not.toHaveProperty('validationStart');
    const valid = await openImages(folder({ ...train, 'valid/a/1.png': 1, 'valid/b/1.png': 1 }));
    expect(valid).toMatchObject({ validationStart: 3 });
  });

  it('has to have the same classes in all of them', async () => {
    await expect(openImages(folder({ ...parts, 'val/zebra/1.png': 1 }))).rejects.toThrow(
      /val has the classes zebra, which train does not have/,
    );
  });

  it('is not one that has a class called train', async () => {
    const source = await openImages(folder({ 'train/1.png': 1, 'car/1.png': 2, 'test/1.png': 3 }));
    expect(source.classNames).toEqual(['car', 'test', 'train']);
    const vehicles = await openImages(folder({ 'train/1.png': 1, 'test/1.png': 3 }));
    expect(vehicles.classNames).toEqual(['test', 'train']);
  });
});

describe('damaged images', () => {
  const files = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`${i % 2 === 0 ? 'a' : 'b'}/${i}.png`, i]));
  const broken = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`a/broken${i}.png`, 'no image']));

  it('are named and left out, and the others keep their pixels and labels', async () => {
    const source = await openImages(folder({ ...files, ...broken(10) }));
    const { images, indices, skipped } = await source.pool.read(every(source), GREY);
    expect(skipped.map(({ name }) => name)).toEqual(Object.keys(broken(10)));
    expect(skipped[0]?.reason).toMatch(/unsupported image format/);
    expect([images.count, images.pixels.length, images.labels.length]).toEqual([60, 60 * 16, 60]);
    const seen = indices.map((index, place) => [
      source.pool.nameOf(index),
      images.pixels[place * 16],
      images.labels[place],
    ]);
    expect(seen).toEqual(
      indices.map((index) => {
        const name = source.pool.nameOf(index);
        return [name, files[name], name.startsWith('a') ? 0 : 1];
      }),
    );
  });

  it('are an error beyond the bound, which names the first', async () => {
    const source = await openImages(folder({ ...files, ...broken(11) }));
    await expect(source.pool.read(every(source), GREY)).rejects.toThrow(
      /more than 10 of 71 images cannot be read.*a\/broken0\.png \(.*unsupported.*and 6 more.*--max-corrupt/,
    );
    const allowed = await source.pool.read(every(source), { ...GREY, maxCorrupt: 0.2 });
    expect([allowed.images.count, allowed.skipped.length]).toEqual([60, 11]);
  });
});

describe('openImages', () => {
  it.each<[string, Readonly<Record<string, number | string>>, RegExp]>([
    ['an empty folder', {}, /the folder is empty; read are class folders of png or jpeg/],
    [
      'images without class folders',
      { '1.png': 1, '2.png': 2 },
      /none of its class folders holds a png.*read are class folders/,
    ],
    ['class folders without images', { 'a/x.txt': 'x', 'b/y.txt': 'y' }, /none of its class folders holds a png/],
    ['one class', { 'only/1.png': 1, 'only/2.png': 2 }, /at least 2 classes, the folder has 1: only/],
  ])('refuses %s', async (_, files, words) => {
    await expect(openImages(folder(files))).rejects.toThrow(words);
  });

  it('refuses a folder that is not there, and a file', async () => {
    const dir = folder({ 'a/1.png': 1 });
    await expect(openImages(join(dir, 'nothing'))).rejects.toThrow(/there is no such folder; read are/);
    await expect(openImages(join(dir, 'a', '1.png'))).rejects.toThrow(/it is a file; read are/);
  });

  it('refuses more classes than a byte can tell apart', async () => {
    const many = Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`c${i}/1.png`, 'x']));
    await expect(openImages(folder(many))).rejects.toThrow(/at most 256 classes are read, got 257/);
  });

  it('stops when told to', async () => {
    const source = await openImages(folder({ 'a/1.png': 1, 'b/1.png': 1 }));
    await expect(source.pool.read([0, 1], GREY, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});
