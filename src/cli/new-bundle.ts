import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import type { SearchSpace } from '../space/types.js';
import { parseBundleCard } from '../supernet/bundle-card.js';
import { BUNDLE_FILES } from '../supernet/bundle-files.js';
import type { InputSpec } from '../supernet/types.js';
import { codeOf } from './arguments.js';
import { readWhole } from './checkpoint-file.js';
import { knownSpaces, resolveSpace } from './spaces.js';

/** Mean and standard deviation of ImageNet's training images per channel, for pixels from 0 to 1. Source: torchvision's reference models */
const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
/** Share of the image's side that is cut out after resizing: 224 of 256, as the published code evaluates. */
const CROP_FRACTION = 0.875;

/** What the published networks were trained on: RGB images of ImageNet, normalized per channel. */
function publishedInput({ id, inputChannels }: SearchSpace): InputSpec {
  if (inputChannels !== 1 && inputChannels !== 3) {
    throw new BespokeError(
      'invalid-request',
      `the space "${id}" has ${inputChannels} input channels; bundles have 1 (grey) or 3 (RGB)`,
    );
  }
  const isRgb = inputChannels === 3;
  return {
    channels: inputChannels,
    channelOrder: isRgb ? 'rgb' : 'grey',
    range: [0, 1],
    mean: isRgb ? IMAGENET.mean : [0],
    std: isRgb ? IMAGENET.std : [1],
    resize: 'bilinear',
    antialias: true,
    cropFraction: CROP_FRACTION,
  };
}

/** What a bundle says of its images and classes, beside its space. */
export interface BundleMeaning {
  readonly space: SearchSpace;
  readonly input: InputSpec;
  readonly classNames: readonly string[];
}

const numbered = (classes: number): string[] => Array.from({ length: classes }, (_, i) => `class ${i}`);

/** Input and class names of the bundle that a space is the space of; undefined where it is of no bundle. */
async function meaningOfBundle(space: SearchSpace, spaceFile: string): Promise<BundleMeaning | undefined> {
  const path = join(dirname(spaceFile), BUNDLE_FILES.card);
  try {
    const { input, classNames } = parseBundleCard(await readFile(path), path);
    return { space, input, classNames };
  } catch {
    return undefined; // no bundle, or a broken one, which whoever serves it names
  }
}

/**
 * The space of a new bundle with what its inputs and outputs mean: a bundled supernet's space has that bundle's, every other one
 * ImageNet's normalization and numbered classes.
 * @throws BespokeError `not-found` naming the known spaces
 */
export async function newBundleMeaning(idOrFile: string, modelDirs: readonly string[]): Promise<BundleMeaning> {
  const space = await resolveSpace(idOrFile, modelDirs);
  const known = (await knownSpaces(modelDirs)).find((each) => each.space.id === idOrFile);
  const bundled = known?.path === undefined ? undefined : await meaningOfBundle(space, known.path);
  return bundled ?? { space, input: publishedInput(space), classNames: numbered(space.classes) };
}

/** The names of the classes from a file, one a line. @throws BespokeError `invalid-request` if they are not as many as the space has */
export async function readClassNames(path: string, classes: number): Promise<string[]> {
  const text = new TextDecoder().decode(await readWhole(path));
  const names = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (names.length === classes) return names;
  throw new BespokeError(
    'invalid-request',
    `"${path}" has ${names.length} lines of class names; the space has ${classes} classes`,
  );
}

/** A new bundle's folder does not exist yet, or is empty. @throws BespokeError `conflict` */
export async function assertNewFolder(out: string): Promise<void> {
  let names: readonly string[];
  try {
    names = await readdir(out);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'ENOENT') return;
    const what = code === 'ENOTDIR' ? 'is a file' : `cannot be read (${code})`;
    throw new BespokeError('conflict', `"${out}" ${what}; give another folder with --out`, {}, cause);
  }
  if (names.length === 0) return;
  const what = names.includes(BUNDLE_FILES.card) ? 'holds a bundle already' : 'is a folder with files in it';
  throw new BespokeError('conflict', `"${out}" ${what}; give another --out, or remove it first`);
}
