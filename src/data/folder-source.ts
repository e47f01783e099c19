import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import { throwIfAborted, type WorkOptions } from '../common/work.js';
import { decodeInto, probe, UnreadableImage } from './decode.js';
import {
  ALWAYS_ALLOWED_CORRUPT,
  DEFAULT_MAX_CORRUPT,
  type ImageList,
  type ImageSource,
  MAX_CLASSES,
  type ReadImages,
  type ReadTarget,
  type SkippedImage,
} from './image-source.js';
import { type FolderListing, type ListedPart, listFolder } from './list-folder.js';
import { lazily, sharedBytes } from './stored-images.js';

/** Files that are decoded at once: as many as Node's pool of I/O threads, and some that are being read meanwhile. */
const IN_FLIGHT = 8;
/** Files that are looked at to tell how large the images usually are. */
const PROBED_FILES = 64;
/** Names that an error or a remark lists before it counts the rest. */
const SHOWN_NAMES = 5;

/** The first few of a list, and how many there are beside them. */
function someOf(items: readonly string[]): string {
  const rest = items.length - SHOWN_NAMES;
  return items.slice(0, SHOWN_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function tooManyCorrupt(dir: string, skipped: readonly SkippedImage[], of: number, allowed: number): BespokeError {
  const first = someOf(skipped.map(({ name, reason }) => `${name} (${reason})`));
  return new BespokeError(
    'invalid-request',
    `${dir}: more than ${allowed} of ${of} images cannot be read, the most that are skipped: ${first}; ` +
      'mend or remove them, or allow a larger share with --max-corrupt',
  );
}

/** Closes the gaps that unreadable images left, in place, and cuts the set to what is there. */
function compacted(read: ReadImages, size: number, unreadable: ReadonlyMap<number, SkippedImage>): ReadImages {
  if (unreadable.size === 0) return read;
  const { images, indices } = read;
  const kept = indices.flatMap((_, place) => (unreadable.has(place) ? [] : [place]));
  for (const [to, from] of kept.entries()) {
    images.pixels.copyWithin(to * size, from * size, from * size + size);
    images.labels[to] = images.labels[from]!;
  }
  const pixels = images.pixels.subarray(0, kept.length * size);
  const labels = images.labels.subarray(0, kept.length);
  const skipped = [...unreadable].sort(([a], [b]) => a - b).map(([, image]) => image);
  return {
    images: { ...images, count: kept.length, pixels, labels },
    indices: kept.map((at) => indices[at]!),
    skipped,
  };
}

/** Files with their classes, read when they are asked for: memory holds their pixels and the few files in flight. */
class FileList implements ImageList {
  readonly labels: Uint8Array;
  readonly #dir: string;
  readonly #paths: readonly string[];

  constructor(dir: string, paths: readonly string[], labels: Uint8Array) {
    this.#dir = dir;
    this.#paths = paths;
    this.labels = labels;
  }

  nameOf(index: number): string {
    return this.#paths[index] ?? String(index);
  }

  /** Of files that lie evenly in the list. @throws BespokeError `invalid-request` if none of them can be opened */
  async shape(): Promise<{ readonly channels: 1 | 3; readonly side: number }> {
    const count = Math.min(PROBED_FILES, this.#paths.length);
    const places = Array.from({ length: count }, (_, i) => Math.floor((i * this.#paths.length) / count));
    const looks = await Promise.all(places.map((index) => probe(join(this.#dir, this.nameOf(index)))));
    const known = looks.filter((look) => look !== undefined);
    if (known.length === 0) {
      throw new BespokeError('invalid-request', `${this.#dir}: none of ${count} images that were tried can be opened`);
    }
    const sides = known.map(({ side }) => side).sort((a, b) => a - b);
    return { channels: known.every(({ isGrey }) => isGrey) ? 1 : 3, side: sides[sides.length >> 1]! };
  }

  async read(indices: readonly number[], target: ReadTarget, work: WorkOptions = {}): Promise<ReadImages> {
    const { side, channels } = target;
    const size = side * side * channels;
    const pixels = sharedBytes(indices.length * size);
    const labels = sharedBytes(indices.length);
    for (const [place, index] of indices.entries()) labels[place] = this.labels[index]!;
    const share = target.maxCorrupt ?? DEFAULT_MAX_CORRUPT;
    const allowed = Math.max(ALWAYS_ALLOWED_CORRUPT, Math.floor(share * indices.length));
    const unreadable = new Map<number, SkippedImage>();
    let next = 0;
    let done = 0;
    const readOn = async (): Promise<void> => {
      while (next < indices.length && unreadable.size <= allowed) {
        throwIfAborted(work.signal);
        const place = next++;
        const name = this.nameOf(indices[place]!);
        try {
          await decodeInto(join(this.#dir, name), side, { pixels, start: place * size, channels });
        } catch (error) {
          if (!(error instanceof UnreadableImage)) throw error;
          unreadable.set(place, { name, reason: error.message });
        }
        work.onProgress?.({ done: ++done, total: indices.length });
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, readOn));
    const images = { count: indices.length, height: side, width: side, channels, pixels, labels };
    const read = compacted({ images, indices, skipped: [] }, size, unreadable);
    if (unreadable.size > allowed) throw tooManyCorrupt(this.#dir, read.skipped, indices.length, allowed);
    return read;
  }
}

/** The files of parts, one after the other, each in the order of classes and names. */
function fileList(dir: string, classNames: readonly string[], parts: readonly ListedPart[]): FileList {
  const paths: string[] = [];
  const labels: number[] = [];
  for (const part of parts) {
    for (const [label, name] of classNames.entries()) {
      for (const path of part.classes.get(name) ?? []) {
        paths.push(path);
        labels.push(label);
      }
    }
  }
  return new FileList(dir, paths, Uint8Array.from(labels));
}

const countOf = ({ classes }: ListedPart): number => [...classes.values()].reduce((sum, { length }) => sum + length, 0);

/**
 * Opens a listed folder of class folders.
 * @throws BespokeError `invalid-request` if it has no images or too many classes
 */
export function folderSource(dir: string, listing: FolderListing): ImageSource {
  const { train, validation, test, ignored } = listing;
  const classNames = [...train.classes.keys()];
  if (countOf(train) === 0) {
    throw new BespokeError('invalid-request', `${dir}: none of its class folders holds a png, jpg or jpeg file`);
  }
  if (classNames.length > MAX_CLASSES) {
    throw new BespokeError(
      'invalid-request',
      `${dir}: at most ${MAX_CLASSES} classes are read, got ${classNames.length}`,
    );
  }
  const parts = validation === undefined ? [train] : [train, validation];
  const pool = fileList(dir, classNames, parts);
  return {
    layout: 'image-folder',
    dir,
    classNames,
    pool,
    ...(validation === undefined ? {} : { validationStart: countOf(train) }),
    ...(test === undefined ? {} : { test: fileList(dir, classNames, [test]) }),
    shape: () => pool.shape(),
    notes:
      ignored.length === 0 ? [] : [`${ignored.length} files are neither png nor jpeg and left out: ${someOf(ignored)}`],
    fingerprint: lazily(() => {
      const names = Array.from(pool.labels, (label, index) => `${label} ${pool.nameOf(index)}`);
      return sha256([classNames.join('/'), ...names].join('\n'));
    }),
  };
}

/** Lists a folder of class folders and opens it; see {@link folderSource} and `listFolder`. */
export async function openFolder(dir: string, signal?: AbortSignal): Promise<ImageSource> {
  return folderSource(dir, await listFolder(dir, signal));
}
