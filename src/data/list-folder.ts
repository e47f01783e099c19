import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { throwIfAborted } from '../common/work.js';

/** Image files of one part (training, validation, test), by class. */
export interface ListedPart {
  /** Class folders in code-point order of their names. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
}

/** What a folder of class folders holds; paths are relative to it, with `/`. */
export interface FolderListing {
  readonly train: ListedPart;
  readonly validation?: ListedPart;
  readonly test?: ListedPart;
  /** Files that are neither PNG nor JPEG, by their extension. */
  readonly ignored: readonly string[];
}

const TRAIN_NAME = 'train';
const VALIDATION_NAMES: readonly string[] = ['val', 'valid', 'validation'];
const TEST_NAME = 'test';
const IMAGE_NAME = /\.(png|jpe?g)$/i;
/** Folders below a class folder; deeper is taken for a link in a circle. */
const MAX_DEPTH = 8;

function refuse(dir: string, rule: string): BespokeError {
  return new BespokeError('invalid-request', `${dir}: ${rule}`);
}

/** Names of a folder in code-point order, without what systems leave behind. */
async function entriesOf(path: string): Promise<Dirent[]> {
  const entries = await readdir(path, { withFileTypes: true });
  return entries
    .filter(
      ({ name }) => !name.startsWith('.') && name !== '__MACOSX' && name !== 'Thumbs.db' && name !== 'desktop.ini',
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether an entry leads to a folder; links are followed. A link that leads nowhere is a file, which then cannot be read. */
async function isFolder(path: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return stat(join(path, entry.name)).then(
    (target) => target.isDirectory(),
    () => false,
  );
}

async function foldersIn(path: string): Promise<string[]> {
  const folders: string[] = [];
  for (const entry of await entriesOf(path)) if (await isFolder(path, entry)) folders.push(entry.name);
  return folders;
}

interface Walk {
  readonly root: string;
  readonly ignored: string[];
  readonly signal: AbortSignal | undefined;
}

/** Image files below a folder, in the order of their names. */
async function imagesBelow(walk: Walk, folder: string, depth = 0): Promise<string[]> {
  throwIfAborted(walk.signal);
  if (depth > MAX_DEPTH) throw refuse(walk.root, `"${folder}" lies deeper than ${MAX_DEPTH} folders below its class`);
  const path = join(walk.root, folder);
  const found: string[] = [];
  for (const entry of await entriesOf(path)) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (await isFolder(path, entry)) for (const below of await imagesBelow(walk, name, depth + 1)) found.push(below);
    else if (IMAGE_NAME.test(entry.name)) found.push(name);
    else walk.ignored.push(name);
  }
  return found;
}

/**
 * Every image file of a folder, whatever its folders are called, in the order of the names; of one that is divided into parts, those of the
 * training part. Labels do not matter. No image is opened.
 * @returns paths relative to the folder, with `/`
 */
export async function listImages(dir: string, signal?: AbortSignal): Promise<readonly string[]> {
  const folder = (await hasParts(dir, await foldersIn(dir))) ? TRAIN_NAME : '';
  return imagesBelow({ root: dir, ignored: [], signal }, folder);
}

async function listPart(walk: Walk, prefix: string): Promise<ListedPart> {
  const classes = new Map<string, readonly string[]>();
  for (const name of await foldersIn(join(walk.root, prefix))) {
    classes.set(name, await imagesBelow(walk, prefix === '' ? name : `${prefix}/${name}`));
  }
  return { classes };
}

/** A folder is divided into parts if it has a `train` folder of folders and nothing but parts beside it. */
async function hasParts(dir: string, folders: readonly string[]): Promise<boolean> {
  const parts: readonly string[] = [TRAIN_NAME, TEST_NAME, ...VALIDATION_NAMES];
  if (!folders.includes(TRAIN_NAME) || folders.some((name) => !parts.includes(name))) return false;
  return (await foldersIn(join(dir, TRAIN_NAME))).length > 0;
}

/** Classes of validation and test have to be classes of the training part. */
function checkClasses(dir: string, train: ListedPart, name: string, part: ListedPart): void {
  const strange = [...part.classes.keys()].filter((label) => !train.classes.has(label));
  if (strange.length === 0) return;
  throw refuse(dir, `${name} has the classes ${strange.slice(0, 5).join(', ')}, which ${TRAIN_NAME} does not have`);
}

/**
 * Lists a folder of class folders, `class/…` or `train/class/…` with `val` or `test` beside it. No image is opened.
 * @throws BespokeError `invalid-request` if there are no classes, or parts differ in their classes
 */
export async function listFolder(dir: string, signal?: AbortSignal): Promise<FolderListing> {
  const folders = await foldersIn(dir);
  const walk: Walk = { root: dir, ignored: [], signal };
  if (!(await hasParts(dir, folders))) return { train: await listPart(walk, ''), ignored: walk.ignored };
  const validationName = VALIDATION_NAMES.find((name) => folders.includes(name));
  const train = await listPart(walk, TRAIN_NAME);
  const named = async (name: string | undefined): Promise<ListedPart | undefined> => {
    if (name === undefined) return undefined;
    const part = await listPart(walk, name);
    checkClasses(dir, train, name, part);
    return part;
  };
  const validation = await named(validationName);
  const test = await named(folders.find((name) => name === TEST_NAME));
  return {
    train,
    ...(validation === undefined ? {} : { validation }),
    ...(test === undefined ? {} : { test }),
    ignored: walk.ignored,
  };
}
