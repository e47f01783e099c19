import { basename, resolve } from 'node:path';

/** A name for a bundle or a space out of a folder's name: what URLs and file names take. */
export function folderId(path: string): string {
  const name = basename(resolve(path))
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-');
  return name.replace(/^[^a-z0-9]+/, '').slice(0, 64) || 'own';
}
