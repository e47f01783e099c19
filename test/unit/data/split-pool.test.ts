import { describe, expect, it } from 'vitest';
import { canonicalJson, sha256 } from '../../../src/common/hash.js';
import { makeRng, shuffled } from '../../../src/common/rng.js';
import {
  DEBIAN_FASHION_MNIST_DIR,
  FASHION_MNIST_FINGERPRINT,
  hasFashionMnist,
} from '../../../src/data/fashion-mnist.js';
import { folderSource } from '../../../src/data/folder-source.js';
import { openImages } from '../../../src/data/open-images.js';
import {
  FASHION_MNIST_PLAN,
  type LabeledPool,
  type SplitPlan,
  type Splits,
  splitPool,
} from '../../../src/data/splits.js';

/** A pool with so many images of each class, in mixed order. */
function poolOf(counts: readonly number[]): LabeledPool {
  const labels = counts.flatMap((count, label) => new Array<number>(count).fill(label));
  return {
    labels: Uint8Array.from(shuffled(labels, makeRng(3))),
    classNames: counts.map((_, label) => `class${label}`),
  };
}
const plan = (heldOut = 0.2, seed = 1): SplitPlan => ({ by: 'share', seed, heldOut });
const perClass = ({ labels, classNames }: LabeledPool, indices: readonly number[]): number[] =>
  classNames.map((_, label) => indices.filter((index) => labels[index] === label).length);

function expectPartition(pool: LabeledPool, { train, selection, verification }: Splits): void {
  const all = [...train, ...selection, ...verification].sort((a, b) => a - b);
  expect(all).toEqual(Array.from(pool.labels.keys()));
}

describe('a split by share', () => {
  it('takes the share of every class, half for selection and half for verification', () => {
    const pool = poolOf([100, 400, 50]);
    const splits = splitPool(pool, plan());
    expectPartition(pool, splits);
    expect(perClass(pool, splits.selection)).toEqual([10, 40, 5]);
    expect(perClass(pool, splits.verification)).toEqual([10, 40, 5]);
  });

  it('leaves every part at least one image of the smallest classes', () => {
    const pool = poolOf([5000, 3, 4, 11]);
    const splits = splitPool(pool, plan());
    expectPartition(pool, splits);
    expect(perClass(pool, splits.train)).toEqual([4000, 1, 2, 9]);
    expect(perClass(pool, splits.selection)).toEqual([500, 1, 1, 1]);
    expect(perClass(pool, splits.verification)).toEqual([500, 1, 1, 1]);
    const most = splitPool(pool, plan(0.99));
    expectPartition(pool, most);
    expect(Math.min(...perClass(pool, most.train))).toBe(1);
  });

  it('names the classes that have too few', () => {
    expect(() => splitPool(poolOf([9, 2, 9, 0]), plan())).toThrow(
      /at least 3 images, one to train on and two to hold out; too few are of class1 \(2\), class3 \(0\)/,
    );
  });

  it('is a function of the labels and the seed', () => {
    const pool = poolOf([60, 90]);
    expect(splitPool(pool, plan(0.2, 5))).toEqual(splitPool(pool, plan(0.2, 5)));
    expect(splitPool(pool, plan(0.2, 5)).selection).not.toEqual(splitPool(pool, plan(0.2, 6)).selection);
  });

  it('of 100,000 listed files holds out no more than it can use', () => {
    const names = Array.from({ length: 40 }, (_, c) => `class${String(c).padStart(2, '0')}`);
    const classes = new Map(
      names.map((name, c) => [name, Array.from({ length: c === 7 ? 3 : 2564 }, (_, i) => `${name}/${i}.png`)]),
    );
    const source = folderSource('nowhere', { train: { classes }, ignored: [] });
    expect(source.pool.labels.length).toBe(39 * 2564 + 3);
    expect(source.fingerprint()).toMatch(/^[0-9a-f]{64}$/);
    const pool = { labels: source.pool.labels, classNames: source.classNames };
    const splits = splitPool(pool, plan());
    expectPartition(pool, splits);
    expect(splits.selection.length).toBe(39 * Math.round((2564 / 99_999) * 5000) + 1);
    expect(splits.verification.length).toBe(39 * Math.round((2564 / 99_999) * 2000) + 1);
    expect(perClass(pool, splits.train)[7]).toBe(1);
  });
});

describe('a split by folder', () => {
  const classNames = ['a', 'b'];
  it('trains on what comes first, and halves the rest by class', () => {
    // Training: 4 of a, 2 of b; validation: 2 of a, 5 of b.
    const labels = Uint8Array.of(0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 1);
    const divided = { labels, classNames, validationStart: 6 };
    const splits = splitPool(divided, { by: 'folder', seed: 1 });
    expectPartition(divided, splits);
    expect(splits.train).toEqual([0, 1, 2, 3, 4, 5]);
    expect(perClass(divided, splits.selection)).toEqual([1, 3]);
    expect(perClass(divided, splits.verification)).toEqual([1, 2]);
  });

  it('needs images of every class in both', () => {
    const one = { labels: Uint8Array.of(0, 1, 0, 0, 1), classNames, validationStart: 2 };
    expect(() => splitPool(one, { by: 'folder', seed: 1 })).toThrow(
      /at least 2 validation images.*too few are of b \(1\)/,
    );
    const none = { labels: Uint8Array.of(0, 0, 0, 0, 1, 1), classNames, validationStart: 2 };
    expect(() => splitPool(none, { by: 'folder', seed: 1 })).toThrow(
      /at least 1 training images; too few are of b \(0\)/,
    );
  });
});

/** sha256 of the split that the shipped supernet was trained by: with another one, images it verifies with would have been trained on. */
const SHIPPED_SPLIT = '32b18edb9d448860154bb501d3d8e971d0b26a19bde829f0d9f24a40769eac72';

describe.skipIf(!hasFashionMnist(DEBIAN_FASHION_MNIST_DIR))('the split of Fashion-MNIST', () => {
  it('is the one that the shipped supernet was trained by', async () => {
    const { pool, classNames, fingerprint } = await openImages(DEBIAN_FASHION_MNIST_DIR);
    expect(fingerprint()).toBe(FASHION_MNIST_FINGERPRINT);
    const splits = splitPool({ labels: pool.labels, classNames }, FASHION_MNIST_PLAN);
    expect(sha256(canonicalJson(splits))).toBe(SHIPPED_SPLIT);
  });
});
