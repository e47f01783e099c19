import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';

/** The files of a bundle's folder. Further ones (predictors) may be listed in `bundle.json` and are read by their own rooms. */
export const BUNDLE_FILES = {
  card: 'bundle.json',
  space: 'space.json',
  weights: 'weights.safetensors',
  calibration: 'calibration.idx',
  verification: 'verification.idx',
  verificationLabels: 'verification-labels.idx',
} as const;

/** Refuses a bundle by its folder. @throws BespokeError `bundle-invalid`, always */
export function invalid(dir: string, detail: string, cause?: unknown): never {
  throw new BespokeError('bundle-invalid', `the bundle in "${dir}" cannot be loaded: ${detail}`, {}, cause);
}

/** Runs a parser of one file; what it refuses is the bundle's fault and not a request's. @throws BespokeError `bundle-invalid` */
export function parsed<T>(dir: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof BespokeError)) throw error;
    return invalid(dir, error.message, error);
  }
}

/** A file of a bundle's folder. @throws BespokeError `bundle-invalid` */
export async function readBytes(dir: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(join(dir, name));
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    return invalid(dir, `its file ${name} cannot be read (${reason})`, cause);
  }
}
