import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';
import { type IdxFile, imageSetFromIdx } from './idx.js';

/** Where Debian's package `dataset-fashion-mnist` puts the files. */
export const DEBIAN_FASHION_MNIST_DIR = '/usr/share/datasets/fashion-mnist';

export const FASHION_MNIST_CLASSES: readonly string[] = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

/** Fingerprint of the 60,000 training images and their labels as an image source gives it: the same for plain and gzipped files. */
export const FASHION_MNIST_FINGERPRINT = '324b3ceb4aa6b2f60801fbc5fc30ef1c2378ff5b41a187315f95a44f8c459077';

/** Mean and standard deviation of the 60,000 training images' pixels, scaled to 0..1 (a test computes them). */
export const FASHION_MNIST_INPUT: InputSpec = {
  channels: 1,
  channelOrder: 'grey',
  range: [0, 1],
  mean: [0.2860406],
  std: [0.35302424],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 1,
};

/** The four files as published, and the sha256 of each (of the gzip files; computed from Debian's 0.0~git20200523). */
export const FASHION_MNIST_FILES = {
  trainImages: {
    name: 'train-images-idx3-ubyte',
    gzipSha256: 'b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7',
  },
  trainLabels: {
    name: 'train-labels-idx1-ubyte',
    gzipSha256: '0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056',
  },
  testImages: {
    name: 't10k-images-idx3-ubyte',
    gzipSha256: 'cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa',
  },
  testLabels: {
    name: 't10k-labels-idx1-ubyte',
    gzipSha256: '8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05',
  },
} as const;

export interface FashionMnist {
  /** 60,000 images, 28 x 28 x 1. */
  readonly train: ImageSet;
  /** 10,000 images, for final reports alone. */
  readonly test: ImageSet;
}

const FILE_NAMES: readonly string[] = Object.values(FASHION_MNIST_FILES).map((file) => file.name);

function pathOf(dir: string, name: string): string | undefined {
  return [join(dir, `${name}.gz`), join(dir, name)].find((path) => existsSync(path));
}

/** True if a folder holds all four files, gzipped or plain. */
export function hasFashionMnist(dir: string): boolean {
  return FILE_NAMES.every((name) => pathOf(dir, name) !== undefined);
}

/**
 * The first folder that holds the data set.
 * @param candidates folders to try first, in order; Debian's folder is tried last
 * @throws BespokeError `not-found` that names every folder tried and the ways to get the data
 */
export function findFashionMnist(candidates: readonly string[]): string {
  const tried = [...candidates, DEBIAN_FASHION_MNIST_DIR];
  const found = tried.find(hasFashionMnist);
  if (found !== undefined) return found;
  throw new BespokeError(
    'not-found',
    `Fashion-MNIST is in none of the folders ${tried.join(', ')}; ${WAYS} or download it`,
  );
}

const WAYS =
  `name a folder that holds ${FILE_NAMES.join(', ')} (each plain or as .gz), ` +
  "install Debian's package dataset-fashion-mnist,";

function readIdx(dir: string, name: string): IdxFile {
  const path = pathOf(dir, name);
  if (path === undefined) {
    throw new BespokeError('not-found', `${dir} holds neither ${name}.gz nor ${name} of Fashion-MNIST`);
  }
  return { where: path, bytes: readFileSync(path) };
}

/**
 * Reads the data set from a folder of the four IDX files, gzipped or plain.
 * @throws BespokeError `not-found` for a missing file, `invalid-request` for a damaged one
 */
export function loadFashionMnist(dir: string): FashionMnist {
  const read = (images: string, labels: string): ImageSet =>
    imageSetFromIdx(readIdx(dir, images), readIdx(dir, labels), FASHION_MNIST_CLASSES.length);
  const { trainImages, trainLabels, testImages, testLabels } = FASHION_MNIST_FILES;
  return { train: read(trainImages.name, trainLabels.name), test: read(testImages.name, testLabels.name) };
}

async function fetchBytes(url: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    const response = await fetch(url, signal === undefined ? {} : { signal });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    signal?.throwIfAborted();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BespokeError('not-found', `${url} could not be downloaded (${reason}); ${WAYS} or try again`, {}, cause);
  }
}

/**
 * Downloads the four gzip files into a folder; each is checked against its sha256 before it gets its name, those already there and right are kept.
 * @param baseUrl address that `/<file>.gz` is appended to
 * @returns the folder
 * @throws BespokeError `not-found` when offline (names the other ways), `invalid-request` for a wrong sha256
 */
export async function downloadFashionMnist(baseUrl: string, dir: string, signal?: AbortSignal): Promise<string> {
  mkdirSync(dir, { recursive: true });
  for (const { name, gzipSha256 } of Object.values(FASHION_MNIST_FILES)) {
    const path = join(dir, `${name}.gz`);
    if (existsSync(path) && sha256(readFileSync(path)) === gzipSha256) continue;
    const url = `${baseUrl.replace(/\/+$/, '')}/${name}.gz`;
    const bytes = await fetchBytes(url, signal);
    const got = sha256(bytes);
    if (got !== gzipSha256) {
      throw new BespokeError('invalid-request', `${url} has the sha256 ${got}, Fashion-MNIST's file has ${gzipSha256}`);
    }
    writeFileSync(`${path}.part`, bytes);
    renameSync(`${path}.part`, path);
  }
  return dir;
}
