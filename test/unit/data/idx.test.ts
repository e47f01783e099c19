import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { imageSetFromIdx, parseIdx } from '../../../src/data/idx.js';
import { encodeIdx } from '../../../src/tensor/idx.js';
import { tensorFrom } from '../../../src/tensor/tensor.js';

const images = encodeIdx(
  tensorFrom(
    'uint8',
    [3, 2, 2],
    Uint8Array.from({ length: 12 }, (_, i) => i),
  ),
);
const labels = (values: number[]): Uint8Array =>
  encodeIdx(tensorFrom('uint8', [values.length], Uint8Array.from(values)));

describe('imageSetFromIdx', () => {
  it('joins images and labels, gzipped or plain', () => {
    const set = imageSetFromIdx(
      { where: 'images', bytes: gzipSync(images) },
      { where: 'labels', bytes: labels([2, 0, 1]) },
      3,
    );
    expect(set).toMatchObject({ count: 3, height: 2, width: 2, channels: 1 });
    expect([...set.pixels]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect([...(set.labels ?? [])]).toEqual([2, 0, 1]);
  });

  it('refuses another number of labels, naming both files', () => {
    const join = () => imageSetFromIdx({ where: 'img', bytes: images }, { where: 'lab', bytes: labels([0, 1]) }, 3);
    expect(join).toThrow(/lab: there are 2 labels for the 3 images of img/);
  });

  it('refuses a label out of range, naming its place', () => {
    const join = () => imageSetFromIdx({ where: 'img', bytes: images }, { where: 'lab', bytes: labels([0, 1, 3]) }, 3);
    expect(join).toThrow(/lab: labels are 0\.\.2, label 2 is 3/);
  });

  it('refuses labels given as images', () => {
    const bytes = labels([0, 1, 2]);
    const join = () => imageSetFromIdx({ where: 'img', bytes }, { where: 'lab', bytes }, 3);
    expect(join).toThrow(/img: images have dims \[N, H, W\]/);
  });
});

describe('parseIdx', () => {
  it('refuses a wrong magic number, a truncated file and damaged gzip data', () => {
    const parse = (bytes: Uint8Array) => () => parseIdx({ where: 'here.idx', bytes });
    expect(parse(Uint8Array.from([1, 2, 3, 4, 5]))).toThrow(/here\.idx.*magic number/);
    expect(parse(images.subarray(0, images.length - 1))).toThrow(/here\.idx has 27 bytes .* 28/);
    expect(parse(gzipSync(images).subarray(0, 20))).toThrow(/here\.idx: the gzip data is damaged/);
  });
});
