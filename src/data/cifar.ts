import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import type { ImageSet } from '../tensor/image-set.js';
import type { ImageList, ImageSource } from './image-source.js';
import { hashStored, lazily, storedList } from './stored-images.js';

const SIDE = 32;
const CHANNELS = 3;
/** Bytes of one color plane, and of the three. */
const PLANE = SIDE * SIDE;
const PIXELS = PLANE * CHANNELS;

/** How the two published sets are written. Source: Krizhevsky, "The CIFAR-10 dataset", binary version */
const LAYOUTS = {
  'cifar-10': {
    labelBytes: 1,
    classes: 10,
    train: /^data_batch_\d+\.bin$/,
    test: 'test_batch.bin',
    names: 'batches.meta.txt',
  },
  // The coarse label comes first; the fine one, of 100, is read.
  'cifar-100': { labelBytes: 2, classes: 100, train: /^train\.bin$/, test: 'test.bin', names: 'fine_label_names.txt' },
} as const;

type CifarLayout = keyof typeof LAYOUTS;
/** Folders that the published archives unpack to. */
const ARCHIVE_FOLDERS = ['', 'cifar-10-batches-bin', 'cifar-100-binary'] as const;

interface FoundCifar {
  readonly layout: CifarLayout;
  readonly dir: string;
  readonly trainFiles: readonly string[];
}

/** CIFAR's binary files in a folder, or in the folder that the published archive makes inside it. */
export function findCifar(dir: string): FoundCifar | undefined {
  for (const folder of ARCHIVE_FOLDERS) {
    const inside = join(dir, folder);
    if (!existsSync(inside)) continue;
    const names = readdirSync(inside).sort();
    for (const layout of ['cifar-10', 'cifar-100'] as const) {
      const trainFiles = names.filter((name) => LAYOUTS[layout].train.test(name));
      if (trainFiles.length > 0) return { layout, dir: inside, trainFiles };
    }
  }
  return undefined;
}

type LabeledSet = ImageSet & { readonly labels: Uint8Array };

/** Decodes one file: records of label bytes and the planes R, G, B. */
function decode(path: string, layout: CifarLayout): LabeledSet {
  const { labelBytes, classes } = LAYOUTS[layout];
  const bytes = readFileSync(path);
  const record = labelBytes + PIXELS;
  if (bytes.length === 0 || bytes.length % record !== 0) {
    throw new BespokeError(
      'invalid-request',
      `${path}: a ${layout} file is a whole number of records of ${record} bytes, this one has ${bytes.length} bytes`,
    );
  }
  const count = bytes.length / record;
  const pixels = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const start = i * record + labelBytes;
    const label = bytes[start - 1]!;
    if (label >= classes) {
      throw new BespokeError('invalid-request', `${path}: labels are 0..${classes - 1}, label ${i} is ${label}`);
    }
    labels[i] = label;
    for (let p = 0; p < PLANE; p++) {
      for (let c = 0; c < CHANNELS; c++) pixels[i * PIXELS + p * CHANNELS + c] = bytes[start + c * PLANE + p]!;
    }
  }
  return { count, height: SIDE, width: SIDE, channels: CHANNELS, pixels, labels };
}

function joined(sets: readonly LabeledSet[]): LabeledSet {
  const count = sets.reduce((sum, set) => sum + set.count, 0);
  const pixels = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  let at = 0;
  for (const set of sets) {
    pixels.set(set.pixels, at * PIXELS);
    labels.set(set.labels, at);
    at += set.count;
  }
  return { count, height: SIDE, width: SIDE, channels: CHANNELS, pixels, labels };
}

function classNamesOf({ dir, layout }: FoundCifar): readonly string[] {
  const { names, classes } = LAYOUTS[layout];
  const path = join(dir, names);
  const lines = existsSync(path)
    ? readFileSync(path, 'utf8')
        .split(/\r?\n/)
        .filter((line) => line.trim() !== '')
    : [];
  return lines.length === classes ? lines : Array.from({ length: classes }, (_, i) => String(i));
}

function listOf({ dir, layout }: FoundCifar, files: readonly string[]): { list: ImageList; set: LabeledSet } {
  const set = joined(files.map((name) => decode(join(dir, name), layout)));
  return { list: storedList(set, (index) => `${files.join('+')} [${index}]`), set };
}

/**
 * Opens CIFAR-10 or CIFAR-100 in their binary form; `test_batch.bin` or `test.bin` is the test part.
 * @throws BespokeError `invalid-request` for a file of a wrong length or a label out of range, naming file and record
 */
export function cifarSource(found: FoundCifar): ImageSource {
  const { layout, dir, trainFiles } = found;
  const { list: pool, set } = listOf(found, trainFiles);
  const { test } = LAYOUTS[layout];
  return {
    layout,
    dir,
    classNames: classNamesOf(found),
    pool,
    ...(existsSync(join(dir, test)) ? { test: listOf(found, [test]).list } : {}),
    shape: async () => ({ channels: CHANNELS, side: SIDE }),
    notes: [],
    fingerprint: lazily(() => sha256(`${layout} ${hashStored(set)}`)),
  };
}
