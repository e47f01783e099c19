import { BespokeError } from '../common/errors.js';
import { canonicalJson } from '../common/hash.js';
import type { WorkOptions } from '../common/work.js';
import { DEFAULT_MAX_CORRUPT, type ImageSource, type ReadTarget, type SkippedImage } from '../data/image-source.js';
import { inputSpecOf } from '../data/input-statistics.js';
import { SPLIT_SEED, type SplitPlan, type Splits, splitPool } from '../data/splits.js';
import type { SearchSpace } from '../space/types.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';
import { type DataRecord, knownRecord } from './data-record.js';

/** What a supernet is trained on: one labelled image set and which of its images are for what. */
export interface TrainingData {
  readonly images: ImageSet;
  readonly input: InputSpec;
  /** Images that weights are trained on. */
  readonly train: readonly number[];
  /** Held-out images for the progress figures during training. */
  readonly selection: readonly number[];
}

/** A copy of an image set whose pixels and labels lie in shared memory, so that workers read the same bytes; the set itself if they do. */
export function shareImages(set: ImageSet): ImageSet {
  const shared = (bytes: Uint8Array): Uint8Array => {
    if (bytes.buffer instanceof SharedArrayBuffer) return bytes;
    const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
    copy.set(bytes);
    return copy;
  };
  const { labels, ...rest } = set;
  return { ...rest, pixels: shared(set.pixels), ...(labels === undefined ? {} : { labels: shared(labels) }) };
}

/** How a user's images are split and read; what is left out has its default. */
export interface DataChoices {
  /** Share of every class that is held out, 0..1. */
  readonly heldOut?: number | undefined;
  readonly splitSeed?: number | undefined;
  /** Largest share of damaged files. */
  readonly maxCorrupt?: number | undefined;
}

/** Share of every class that is held out unless told. */
const DEFAULT_HELD_OUT = 0.2;

/** The split of a source: Fashion-MNIST's own, the folder's own, or by share. */
function planOf(source: ImageSource, choices: DataChoices): SplitPlan {
  const { heldOut, splitSeed: seed = SPLIT_SEED } = choices;
  const known = heldOut === undefined && choices.splitSeed === undefined ? knownRecord(source) : undefined;
  if (known !== undefined) return known.plan;
  if (source.validationStart === undefined) return { by: 'share', seed, heldOut: heldOut ?? DEFAULT_HELD_OUT };
  if (heldOut === undefined) return { by: 'folder', seed };
  throw new BespokeError(
    'invalid-request',
    `${source.dir} has a validation part of its own, which is what is held out; leave out --held-out, got ${heldOut}`,
  );
}

/** How a source is split by a user's choices. @throws BespokeError `invalid-request` naming classes with too few images */
export function splitOf(
  source: ImageSource,
  choices: DataChoices,
): { readonly plan: SplitPlan; readonly splits: Splits } {
  const plan = planOf(source, choices);
  return { plan, splits: splitsOf(source, plan) };
}

/** The splits of a source by a plan. */
function splitsOf(source: ImageSource, plan: SplitPlan): Splits {
  const { classNames, validationStart } = source;
  const start = validationStart === undefined ? {} : { validationStart };
  return splitPool({ labels: source.pool.labels, classNames, ...start }, plan);
}

/** @throws BespokeError `invalid-request` if the source's classes are not as many as the space has */
function checkClasses(source: ImageSource, { id, classes }: SearchSpace): void {
  const { classNames, dir } = source;
  if (classNames.length === classes) return;
  const shown = 10; // more would bury the sentence
  const names = classNames.slice(0, shown).join(', ') + (classNames.length > shown ? ', …' : '');
  throw new BespokeError(
    'invalid-request',
    `the space "${id}" has ${classes} classes, ${dir} has ${classNames.length}: ${names}; set "classes" in the space`,
  );
}

/** What images of a source are brought to for a space. */
function readTargetOf(space: SearchSpace): Pick<ReadTarget, 'channels' | 'side'> {
  const { inputChannels: channels, resolutions } = space;
  if (channels === 1 || channels === 3) return { channels, side: Math.max(...resolutions) };
  throw new BespokeError(
    'invalid-request',
    `the space "${space.id}" takes ${channels} channels; images have 1 (grey) or 3 (RGB)`,
  );
}

/** What training reads, and what it leaves behind about it. */
export interface ReadTrainingData {
  readonly data: TrainingData;
  readonly record: DataRecord;
  readonly skipped: readonly SkippedImage[];
  readonly splits: Splits;
}

/** Every class has to be there after unreadable images were left out. */
function checkReadable(source: ImageSource, labels: Uint8Array, train: readonly number[]): void {
  const present = new Set(train.map((index) => labels[index]));
  const gone = source.classNames.filter((_, label) => !present.has(label));
  if (gone.length === 0) return;
  throw new BespokeError(
    'invalid-request',
    `${source.dir}: no training image of ${gone.join(', ')} can be read; add some or remove the class`,
  );
}

/**
 * Reads the images of a source that training needs: the training and the selection part. Verification images are not read.
 * @throws BespokeError `invalid-request` if the classes do not fit the space, a class has too few images, or too many are damaged
 */
export async function readTrainingData(
  source: ImageSource,
  space: SearchSpace,
  choices: DataChoices = {},
  work: WorkOptions = {},
): Promise<ReadTrainingData> {
  checkClasses(source, space);
  const target = readTargetOf(space);
  const { plan, splits } = splitOf(source, choices);
  const wanted = [...splits.train, ...splits.selection].sort((a, b) => a - b);
  const { maxCorrupt = DEFAULT_MAX_CORRUPT } = choices;
  const { images, indices, skipped } = await source.pool.read(wanted, { ...target, maxCorrupt }, work);
  const selected = new Set(splits.selection);
  const train: number[] = [];
  const selection: number[] = [];
  for (const [place, index] of indices.entries()) (selected.has(index) ? selection : train).push(place);
  checkReadable(source, images.labels, train);
  const known = knownRecord(source);
  const isKnownInput =
    known !== undefined && canonicalJson(known.plan) === canonicalJson(plan) && target.channels === 1;
  const input = isKnownInput ? known.input : inputSpecOf(images, train);
  const record: DataRecord = {
    schema: 1,
    layout: source.layout,
    fingerprint: source.fingerprint(),
    plan,
    side: images.height,
    input,
    classNames: known?.classNames ?? source.classNames,
    maxCorrupt,
    images: { train: train.length, selection: selection.length, verification: splits.verification.length },
  };
  return { data: { images, input, train, selection }, record, skipped, splits };
}

/**
 * The splits that a supernet was trained by, of the same images.
 * @throws BespokeError `conflict` if the images are not those of the record: some that were trained on could count as held out
 */
export function recordedSplits(source: ImageSource, record: DataRecord): Splits {
  if (source.fingerprint() !== record.fingerprint) {
    throw new BespokeError(
      'conflict',
      `${source.dir} is not the data that the supernet was trained on: files or labels were added, removed or changed; ` +
        'held-out images could not be told from trained ones',
    );
  }
  return splitsOf(source, record.plan);
}

/** How the images of a record were read. */
export function recordedTarget({ input, side, maxCorrupt }: DataRecord): ReadTarget {
  return { channels: input.channels === 1 ? 1 : 3, side, maxCorrupt };
}
