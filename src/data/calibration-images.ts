import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { makeRng, shuffled } from '../common/rng.js';
import { throwIfAborted, type WorkOptions } from '../common/work.js';
import type { ImageSet } from '../tensor/image-set.js';
import { cifarSource, findCifar } from './cifar.js';
import { decodeInto, UnreadableImage } from './decode.js';
import { hasIdx, idxSource } from './idx-source.js';
import { ALWAYS_ALLOWED_CORRUPT, DEFAULT_MAX_CORRUPT, type ImageSource, type SkippedImage } from './image-source.js';
import { listImages } from './list-folder.js';
import { namesIn } from './open-images.js';

/** Fewer images than this give statistics that say more about the images than about the network. */
const LEAST_IMAGES = 16;
/** Which images of a folder are taken: the same ones every time. */
const CHOICE_SEED = 1;
/** Files that are decoded at once, as when images are read to be trained on. */
const IN_FLIGHT = 8;
/** Names that an error lists before it counts the rest. */
const SHOWN_NAMES = 5;

const ACCEPTED =
  'read are png and jpeg files of any size, in the folder or in class folders, the MNIST-named IDX files, and the binary files of CIFAR';

/** What images are brought to, and how many are wanted. */
export interface CalibrationTarget {
  readonly channels: 1 | 3;
  /** Pixels of each side; sets of one size (IDX, CIFAR) keep theirs. */
  readonly side: number;
  /** At most so many; a folder with fewer gives what it has. */
  readonly count: number;
}

/** Images to calibrate with, without labels, in random order: a batch of them has images of many classes. */
export interface CalibrationImages {
  readonly images: ImageSet;
  readonly skipped: readonly SkippedImage[];
}

function tooMany(dir: string, skipped: readonly SkippedImage[], tried: number): BespokeError {
  const rest = skipped.length - SHOWN_NAMES;
  const named = skipped.slice(0, SHOWN_NAMES).map(({ name, reason }) => `${name} (${reason})`);
  return new BespokeError(
    'invalid-request',
    `${dir}: ${skipped.length} of the first ${tried} images cannot be read: ` +
      `${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}; mend or remove them`,
  );
}

/** Damaged files that are replaced by others without an error. */
const allowedOf = (tried: number): number => Math.max(ALWAYS_ALLOWED_CORRUPT, Math.floor(DEFAULT_MAX_CORRUPT * tried));

/** Decodes files into consecutive places. @returns for each file why it cannot be read, or undefined */
async function decodeAll(
  paths: readonly string[],
  { channels, side }: CalibrationTarget,
  target: { readonly pixels: Uint8Array; readonly from: number },
  onEach: () => void,
): Promise<(string | undefined)[]> {
  const size = side * side * channels;
  const reasons = new Array<string | undefined>(paths.length).fill(undefined);
  let next = 0;
  const readOn = async (): Promise<void> => {
    while (next < paths.length) {
      const place = next++;
      const start = (target.from + place) * size;
      try {
        await decodeInto(paths[place]!, side, { pixels: target.pixels, start, channels });
        onEach();
      } catch (error) {
        if (!(error instanceof UnreadableImage)) throw error;
        reasons[place] = error.message;
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, readOn));
  return reasons;
}

/** Reads files in order until enough are read: one that is damaged is replaced by the next. */
async function readFiles(
  dir: string,
  names: readonly string[],
  target: CalibrationTarget,
  work: WorkOptions,
): Promise<CalibrationImages> {
  const { channels, side } = target;
  const count = Math.min(target.count, names.length);
  const size = side * side * channels;
  const pixels = new Uint8Array(count * size);
  const skipped: SkippedImage[] = [];
  let good = 0;
  let tried = 0;
  let done = 0;
  while (good < count && tried < names.length) {
    throwIfAborted(work.signal);
    const some = names.slice(tried, tried + Math.min(count - good, IN_FLIGHT * IN_FLIGHT));
    const paths = some.map((name) => join(dir, name));
    const reasons = await decodeAll(paths, target, { pixels, from: good }, () =>
      work.onProgress?.({ done: ++done, total: count }),
    );
    tried += some.length;
    for (const [place, reason] of reasons.entries()) {
      if (reason !== undefined) skipped.push({ name: some[place]!, reason });
    }
    if (skipped.length > allowedOf(tried)) throw tooMany(dir, skipped, tried);
    good += closeGaps({ pixels, size, from: good }, reasons);
  }
  const images = { count: good, height: side, width: side, channels, pixels: pixels.subarray(0, good * size) };
  return { images, skipped };
}

/** Moves the images that could be read together, in place. @returns how many they are */
function closeGaps(
  { pixels, size, from }: { readonly pixels: Uint8Array; readonly size: number; readonly from: number },
  reasons: readonly (string | undefined)[],
): number {
  let to = from;
  for (const [place, reason] of reasons.entries()) {
    if (reason !== undefined) continue;
    const start = (from + place) * size;
    pixels.copyWithin(to * size, start, start + size);
    to++;
  }
  return to - from;
}

async function readSource(
  { pool }: ImageSource,
  target: CalibrationTarget,
  work: WorkOptions,
): Promise<CalibrationImages> {
  const order = shuffled(Array.from(pool.labels.keys()), makeRng(CHOICE_SEED));
  const { images, skipped } = await pool.read(order.slice(0, target.count), target, work);
  const { labels: _, ...unlabeled } = images;
  return { images: unlabeled, skipped };
}

/**
 * Reads images to calibrate batch normalization with: class folders (the training part where there are parts), one folder of png or jpeg
 * files of any size, IDX or CIFAR. Which ones are taken, and their order, depends on their names alone.
 * @throws BespokeError `not-found` if there is no such folder; `invalid-request` if it holds no images, fewer than {@link LEAST_IMAGES}
 * that can be read, or too many that cannot, the first of them by name
 */
export async function readCalibrationImages(
  dir: string,
  target: CalibrationTarget,
  work: WorkOptions = {},
): Promise<CalibrationImages> {
  if (target.count < LEAST_IMAGES) {
    throw new BespokeError(
      'invalid-request',
      `calibration needs at least ${LEAST_IMAGES} images, asked for are ${target.count}`,
    );
  }
  await namesIn(dir, ACCEPTED); // says what is wrong with the folder
  const cifar = findCifar(dir);
  if (hasIdx(dir)) return enough(dir, await readSource(idxSource(dir, undefined), target, work));
  if (cifar !== undefined) return enough(dir, await readSource(cifarSource(cifar), target, work));
  const names = await listImages(dir, work.signal);
  if (names.length === 0) {
    throw new BespokeError(
      'invalid-request',
      `${dir}: neither it nor the folders in it hold an image to calibrate with; ${ACCEPTED}`,
    );
  }
  return enough(dir, await readFiles(dir, shuffled(names, makeRng(CHOICE_SEED)), target, work));
}

function enough(dir: string, read: CalibrationImages): CalibrationImages {
  const { count } = read.images;
  if (count >= LEAST_IMAGES) return read;
  const unread = read.skipped.length === 0 ? '' : ` that can be read, and ${read.skipped.length} that cannot`;
  throw new BespokeError(
    'invalid-request',
    `${dir}: calibration needs at least ${LEAST_IMAGES} images, the folder has ${count}${unread}`,
  );
}
