import type { WorkOptions } from '../common/work.js';
import type { ImageSet } from '../tensor/image-set.js';

/** Labels are stored as unsigned bytes, here and in a bundle. */
export const MAX_CLASSES = 256;

/** The forms of data that are read. */
export type Layout = 'image-folder' | 'idx' | 'cifar-10' | 'cifar-100';

/** What images are brought to. */
export interface ReadTarget {
  /** 1: grey, by Rec. 601 luma of the colors; 3: RGB, grey repeated. */
  readonly channels: 1 | 3;
  /** Pixels of each side that files of any size are brought to; sets of one size (IDX, CIFAR) keep theirs. */
  readonly side: number;
  /** Largest share of files that may be damaged, 0..1; {@link DEFAULT_MAX_CORRUPT} unless told, and always {@link ALWAYS_ALLOWED_CORRUPT}. */
  readonly maxCorrupt?: number;
}

/** Share of damaged files that are skipped without an error. */
export const DEFAULT_MAX_CORRUPT = 0.01;
/** So many damaged files are skipped whatever the share: in a small folder 1 % may be less than one file. */
export const ALWAYS_ALLOWED_CORRUPT = 10;

/** An image that could not be read. */
export interface SkippedImage {
  readonly name: string;
  readonly reason: string;
}

/** Images in memory, in the order they were asked for. */
export interface ReadImages {
  /** Square, with labels; pixels in shared memory, so that threads see them without a copy. */
  readonly images: ImageSet & { readonly labels: Uint8Array };
  /** For each image its index in the list it was read from. */
  readonly indices: readonly number[];
  readonly skipped: readonly SkippedImage[];
}

/** Labeled images that are known by label and not read yet. */
export interface ImageList {
  readonly labels: Uint8Array;
  /** A file's path within the folder, or a file and a position in it. */
  nameOf(index: number): string;
  /**
   * Reads some of the images.
   * @param indices into the list
   * @throws BespokeError `invalid-request` if more files are damaged than allowed; the signal's reason if aborted
   */
  read(indices: readonly number[], target: ReadTarget, work?: WorkOptions): Promise<ReadImages>;
}

/** A folder of labeled images that was looked at; {@link openImages} makes it. */
export interface ImageSource {
  readonly layout: Layout;
  readonly dir: string;
  readonly classNames: readonly string[];
  /** The images that may be trained on or held out: the training part, then the validation part if the folder has one. */
  readonly pool: ImageList;
  /** Index in the pool where the folder's own validation part begins; absent: it has none. */
  readonly validationStart?: number;
  /** The folder's own test part, for final figures alone. */
  readonly test?: ImageList;
  /** Channels (1: all grey) and shorter side of the images: the same of all, or the usual of files that differ, of which a few are looked at. */
  shape(): Promise<{ readonly channels: 1 | 3; readonly side: number }>;
  /** Remarks for people: files that were left out. */
  readonly notes: readonly string[];
  /** sha256 in hex of what a split depends on: the names or bytes of the pool's images, and their labels. */
  fingerprint(): string;
}
