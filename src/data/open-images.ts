import { readdir } from 'node:fs/promises';
import { BespokeError } from '../common/errors.js';
import { cifarSource, findCifar } from './cifar.js';
import { openFolder } from './folder-source.js';
import { hasIdx, idxSource } from './idx-source.js';
import type { ImageSource } from './image-source.js';

const ACCEPTED =
  'read are class folders of png or jpeg files (CLASS/… or train/CLASS/… with val or test beside it), ' +
  'the four MNIST-named IDX files, and the binary files of CIFAR-10 or CIFAR-100';

/** Names in a folder of images. @throws BespokeError `not-found` saying what is wrong with the folder, and what is read */
export async function namesIn(dir: string, accepted = ACCEPTED): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    const what = code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'it is a file' : code;
    throw new BespokeError('not-found', `the images' folder "${dir}" cannot be read: ${what}; ${accepted}`, {}, cause);
  }
}

/**
 * Looks at a folder of labeled images and opens it in the form that it has.
 * @param classes of labels that are numbers (IDX), so many; otherwise as many as there are
 * @throws BespokeError `not-found` if there is no such folder, `invalid-request` if it holds none of the forms, or only one class
 */
export async function openImages(dir: string, classes?: number, signal?: AbortSignal): Promise<ImageSource> {
  const names = await namesIn(dir);
  if (names.length === 0) throw new BespokeError('invalid-request', `${dir}: the folder is empty; ${ACCEPTED}`);
  const source = await openAs(dir, classes, signal);
  const { classNames } = source;
  if (classNames.length >= 2) return source;
  throw new BespokeError(
    'invalid-request',
    `${dir}: a classifier needs at least 2 classes, the folder has ${classNames.length}: ${classNames.join(', ')}`,
  );
}

async function openAs(dir: string, classes: number | undefined, signal: AbortSignal | undefined): Promise<ImageSource> {
  if (hasIdx(dir)) return idxSource(dir, classes);
  const cifar = findCifar(dir);
  if (cifar !== undefined) return cifarSource(cifar);
  try {
    return await openFolder(dir, signal);
  } catch (error) {
    if (!(error instanceof BespokeError)) throw error;
    throw new BespokeError(error.code, `${error.message}; ${ACCEPTED}`, {}, error);
  }
}
