import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import type { ImageSet } from '../tensor/image-set.js';
import { type IdxFile, imageSetFromIdx } from './idx.js';
import { type ImageList, type ImageSource, MAX_CLASSES } from './image-source.js';
import { hashStored, lazily, storedList } from './stored-images.js';

/** The names of MNIST's files, which sets of the same form took over. Source: LeCun, Cortes, Burges, "The MNIST database" */
const FILES = {
  train: { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' },
  test: { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' },
} as const;
/** Names of the classes, one a line, where a folder has them. */
const CLASS_NAMES_FILE = 'classes.txt';

function pathOf(dir: string, name: string): string | undefined {
  return [join(dir, `${name}.gz`), join(dir, name)].find((path) => existsSync(path));
}

/** Whether a folder holds any of the four files. */
export function hasIdx(dir: string): boolean {
  return Object.values(FILES).some(({ images, labels }) => [images, labels].some((name) => pathOf(dir, name)));
}

function readIdx(dir: string, name: string): IdxFile {
  const path = pathOf(dir, name);
  if (path === undefined) throw new BespokeError('not-found', `${dir} holds neither ${name}.gz nor ${name}`);
  return { where: path, bytes: readFileSync(path) };
}

type LabeledSet = ImageSet & { readonly labels: Uint8Array };

function readPart(dir: string, part: keyof typeof FILES, classes: number): LabeledSet {
  const { images, labels } = FILES[part];
  const file = readIdx(dir, images);
  const set = imageSetFromIdx(file, readIdx(dir, labels), classes);
  const refuse = (rule: string): BespokeError => new BespokeError('invalid-request', `${file.where}: ${rule}`);
  if (set.channels !== 1 && set.channels !== 3) throw refuse(`images have 1 or 3 channels, got ${set.channels}`);
  if (set.count === 0 || set.labels === undefined) throw refuse('the file holds no images');
  return { ...set, labels: set.labels };
}

function classNamesOf(dir: string, classes: number): readonly string[] {
  const path = join(dir, CLASS_NAMES_FILE);
  if (!existsSync(path)) return Array.from({ length: classes }, (_, i) => String(i));
  const lines = readFileSync(path, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  if (lines.length >= classes) return lines;
  throw new BespokeError(
    'invalid-request',
    `${path}: labels go up to ${classes - 1}, the file names ${lines.length} classes`,
  );
}

const listOf = (set: LabeledSet, part: keyof typeof FILES): ImageList =>
  storedList(set, (index) => `${FILES[part].images} [${index}]`);

/**
 * Opens a folder of the four MNIST-named files, each plain or gzipped; the two of the test part may be missing.
 * @param classes labels have to be 0..classes-1; without it there are as many classes as the largest label says
 * @throws BespokeError `not-found` for a missing file, `invalid-request` for a damaged one or a label out of range, naming file and index
 */
export function idxSource(dir: string, classes?: number): ImageSource {
  const train = readPart(dir, 'train', classes ?? MAX_CLASSES);
  const largest = train.labels.reduce((most, label) => Math.max(most, label), 0);
  const classNames = classNamesOf(dir, classes ?? largest + 1);
  const hasTest = pathOf(dir, FILES.test.images) !== undefined;
  const { channels, height, width } = train;
  return {
    layout: 'idx',
    dir,
    classNames,
    pool: listOf(train, 'train'),
    ...(hasTest ? { test: listOf(readPart(dir, 'test', classNames.length), 'test') } : {}),
    shape: async () => ({ channels: channels === 1 ? 1 : 3, side: Math.min(height, width) }),
    notes: [],
    fingerprint: lazily(() => sha256(`idx ${hashStored(train)}`)),
  };
}
