import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileFailed } from './file-problem.js';

function syncFolder(dir: string): void {
  const handle = openSync(dir, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function writeWhole(path: string, bytes: Uint8Array, sync: boolean): void {
  const handle = openSync(path, 'w');
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
    if (sync) fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Writes a file so that a crash at any moment leaves the old or the new content whole: temporary file, fsync, rename, fsync of the folder.
 * The folder is made if it is not there.
 * @param keepAs name that the old file is kept under, if given
 * @throws BespokeError `storage-failed` when the disk is full or not writable; the old file is then untouched
 */
export function writeDurably(dir: string, name: string, bytes: Uint8Array, keepAs?: string): void {
  const path = join(dir, name);
  const temporary = `${path}.tmp`;
  try {
    mkdirSync(dir, { recursive: true });
    writeWhole(temporary, bytes, true);
    if (keepAs !== undefined && existsSync(path)) renameSync(path, join(dir, keepAs));
    renameSync(temporary, path);
    syncFolder(dir);
  } catch (cause) {
    removeQuietly(temporary);
    throw fileFailed(`${path} of ${bytes.length} bytes could not be written`, cause);
  }
}

/**
 * Writes a file that others may read at any moment: they see the old or the new content whole. After a crash of the machine it may be either or empty,
 * so it is for what can be made again.
 * @throws BespokeError `storage-failed` when the disk is full or not writable
 */
export function replaceFile(dir: string, name: string, text: string): void {
  const path = join(dir, name);
  const temporary = `${path}.tmp`;
  try {
    writeWhole(temporary, new TextEncoder().encode(text), false);
    renameSync(temporary, path);
  } catch (cause) {
    removeQuietly(temporary);
    throw fileFailed(`${path} could not be written`, cause);
  }
}

/** Removes what was half written. That it cannot be removed either, as where a folder may not be written, adds nothing to the first error. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // the first error is thrown by the caller
  }
}
