import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { type Sha256, sha256 } from '../common/hash.js';
import { parseSpace } from '../space/parse-space.js';
import type { SearchSpace } from '../space/types.js';
import { decodeIdx, encodeIdx } from '../tensor/idx.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import { type FloatTensor, tensorFrom } from '../tensor/tensor.js';
import { type BundleCard, parseBundleCard, parseJson } from './bundle-card.js';
import { BUNDLE_FILES, invalid, parsed, readBytes } from './bundle-files.js';
import { assertTensorsOfSpace, shapesOf, shapeText } from './bundle-tensors.js';
import type { Bundle, ImageSet, SupernetTensors } from './types.js';

/** What a bundle is written from. A set of 0 images is left out. */
export interface BundleParts {
  readonly id: string;
  readonly title: string;
  readonly space: SearchSpace;
  readonly tensors: SupernetTensors;
  readonly input: BundleCard['input'];
  readonly classNames: readonly string[];
  readonly calibration: ImageSet;
  readonly verification: ImageSet;
  readonly figures?: Readonly<Record<string, unknown>>;
  /** Further files of the folder by name, such as a predictor's. */
  readonly extraFiles?: ReadonlyMap<string, Uint8Array>;
}

/** Every file that the card lists, each compared with its sha256. */
async function readListed(dir: string, files: BundleCard['files']): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  for (const [name, expected] of Object.entries(files)) {
    const bytes = await readBytes(dir, name);
    const found = sha256(bytes);
    if (found !== expected) {
      invalid(
        dir,
        `${name} is not the file that was written: expected sha256 ${expected}, found ${found} (${bytes.length} bytes)`,
      );
    }
    contents.set(name, bytes);
  }
  return contents;
}

function floatTensors(bytes: Uint8Array, where: string): Map<string, FloatTensor> {
  const floatOnly = new Map<string, FloatTensor>();
  for (const [key, { type, dims, data }] of decodeSafetensors(bytes, where).tensors) {
    if (!(data instanceof Float32Array)) {
      throw new BespokeError('bundle-invalid', `${where}: tensor "${key}" is ${type}; wanted is float32`);
    }
    floatOnly.set(key, tensorFrom('float32', dims, data));
  }
  return floatOnly;
}

/** What a bundle has where nobody gave images. */
export const NO_IMAGES: ImageSet = { count: 0, height: 0, width: 0, channels: 0, pixels: new Uint8Array(0) };

/** IDX images `[N, H, W]` or `[N, H, W, C]`, with labels `[N]` where there are any. */
function imageSet(files: ReadonlyMap<string, Uint8Array>, name: string, labelsName?: string): ImageSet {
  const bytes = files.get(name);
  if (bytes === undefined) return NO_IMAGES;
  const { dims, data } = decodeIdx(bytes, name);
  const [count = 0, height = 0, width = 0, channels = 1] = dims;
  if (dims.length !== 3 && dims.length !== 4) {
    throw new BespokeError(
      'bundle-invalid',
      `${name} holds ${shapeText(dims)}; wanted are images [N, H, W] or [N, H, W, C]`,
    );
  }
  const images = { count, height, width, channels, pixels: data };
  const labelBytes = labelsName === undefined ? undefined : files.get(labelsName);
  if (labelBytes === undefined) return images;
  const labels = decodeIdx(labelBytes, labelsName ?? '');
  if (labels.data.length !== count) {
    throw new BespokeError('bundle-invalid', `${labelsName} holds ${labels.data.length} labels for ${count} images`);
  }
  return { ...images, labels: labels.data };
}

/** What the parts of a bundle must say of each other. */
function assertConsistent(bundle: Bundle): void {
  const { supernet, input, classNames, calibration, verification } = bundle;
  const { inputChannels, classes } = supernet.space;
  const fail = (detail: string): never => invalid(bundle.dir, detail);
  if (input.channels !== inputChannels) fail(`its input has ${input.channels} channels, its space ${inputChannels}`);
  if (classNames.length !== classes) fail(`it names ${classNames.length} classes, its space has ${classes}`);
  for (const [name, set] of Object.entries({ calibration, verification })) {
    if (set.count > 0 && set.channels !== inputChannels) {
      fail(`its ${name} images have ${set.channels} channels, its space ${inputChannels}`);
    }
  }
  const stray = verification.labels?.find((label) => label >= classes);
  if (stray !== undefined) fail(`a verification label is ${stray}, its space has ${classes} classes`);
}

function need(files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined) throw new BespokeError('bundle-invalid', `${BUNDLE_FILES.card} lists no ${name}`);
  return bytes;
}

/**
 * Loads a bundle's folder. Every listed file is compared with its sha256, and the weights with the space.
 * @throws BespokeError `bundle-invalid`, naming the file or tensor, what was expected and what was found
 */
export async function loadBundle(dir: string): Promise<Bundle> {
  const cardBytes = await readBytes(dir, BUNDLE_FILES.card);
  const card = parsed(dir, () => parseBundleCard(cardBytes, BUNDLE_FILES.card));
  const files = await readListed(dir, card.files);
  return parsed(dir, () => {
    const space = parseSpace(parseJson(need(files, BUNDLE_FILES.space), BUNDLE_FILES.space), BUNDLE_FILES.space);
    const tensors = floatTensors(need(files, BUNDLE_FILES.weights), BUNDLE_FILES.weights);
    assertTensorsOfSpace(space, shapesOf(tensors), BUNDLE_FILES.weights);
    const bundle: Bundle = {
      id: card.id,
      title: card.title,
      dir,
      supernet: { space, tensors, sha256: card.files[BUNDLE_FILES.weights]! }, // listed, as `need` found it
      input: card.input,
      classNames: card.classNames,
      calibration: imageSet(files, BUNDLE_FILES.calibration),
      verification: imageSet(files, BUNDLE_FILES.verification, BUNDLE_FILES.verificationLabels),
      figures: card.figures,
    };
    assertConsistent(bundle);
    return bundle;
  });
}

function idxOf({ count, height, width, channels, pixels }: ImageSet): Uint8Array {
  const dims = channels === 1 ? [count, height, width] : [count, height, width, channels];
  return encodeIdx(tensorFrom('uint8', dims, pixels));
}

const jsonBytes = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);

/** All files but the card, by name. */
function filesOf(parts: BundleParts): Map<string, Uint8Array> {
  const { calibration, verification } = parts;
  const files = new Map<string, Uint8Array>(parts.extraFiles ?? []);
  files.set(BUNDLE_FILES.space, jsonBytes(parts.space));
  files.set(BUNDLE_FILES.weights, encodeSafetensors(parts.tensors));
  if (calibration.count > 0) files.set(BUNDLE_FILES.calibration, idxOf(calibration));
  if (verification.count > 0) files.set(BUNDLE_FILES.verification, idxOf(verification));
  if (verification.labels !== undefined) {
    const { labels } = verification;
    files.set(BUNDLE_FILES.verificationLabels, encodeIdx(tensorFrom('uint8', [labels.length], labels)));
  }
  return files;
}

/** A file appears whole or not at all. */
async function writeWhole(dir: string, name: string, bytes: Uint8Array): Promise<void> {
  const partial = join(dir, `.${name}.partial`);
  await writeFile(partial, bytes);
  await rename(partial, join(dir, name));
}

async function writeFiles(dir: string, files: ReadonlyMap<string, Uint8Array>): Promise<Record<string, Sha256>> {
  const hashes: [string, Sha256][] = [];
  for (const [name, bytes] of files) {
    await writeWhole(dir, name, bytes);
    hashes.push([name, sha256(bytes)]);
  }
  return Object.fromEntries(hashes);
}

const sortedByName = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

async function writeCard(dir: string, card: BundleCard): Promise<void> {
  await writeWhole(dir, BUNDLE_FILES.card, jsonBytes({ ...card, files: sortedByName(card.files) }));
}

/**
 * Writes a bundle's folder (made if it is not there); the card comes last, so that a broken write is never taken for a bundle.
 * Equal parts give equal bytes.
 * @returns sha256 of the weights file: what a predictor is bound to
 * @throws BespokeError `bundle-invalid` if the tensors are not those of the space
 */
export async function writeBundle(dir: string, parts: BundleParts): Promise<Sha256> {
  assertTensorsOfSpace(parts.space, shapesOf(parts.tensors), `supernet "${parts.id}"`);
  await mkdir(dir, { recursive: true });
  const files = await writeFiles(dir, filesOf(parts));
  const { id, title, input, classNames, figures = {} } = parts;
  await writeCard(dir, { schema: 1, id, title, files, input, classNames, figures });
  return files[BUNDLE_FILES.weights]!; // filesOf always has it
}

/**
 * Adds files to a bundle's folder, or replaces them, and lists them in its card: how a predictor that was trained afterwards joins.
 * @param figures members to add to the model card's figures
 * @throws BespokeError `bundle-invalid` if the folder has no readable card
 */
export async function addBundleFiles(
  dir: string,
  files: ReadonlyMap<string, Uint8Array>,
  figures: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const bytes = await readBytes(dir, BUNDLE_FILES.card);
  const card = parsed(dir, () => parseBundleCard(bytes, BUNDLE_FILES.card));
  const added = await writeFiles(dir, files);
  await writeCard(dir, { ...card, files: { ...card.files, ...added }, figures: { ...card.figures, ...figures } });
}

/** Adds calibration images to a bundle's folder, as {@link addBundleFiles} does. */
export function addCalibrationImages(dir: string, images: ImageSet): Promise<void> {
  return addBundleFiles(dir, new Map([[BUNDLE_FILES.calibration, idxOf(images)]]));
}
