import { readFile, stat } from 'node:fs/promises';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import { encodePredictor, type PredictorBytes } from '../predictors/file.js';
import { type PublishedPredictor, readPublishedPredictor } from '../predictors/published.js';
import type { SearchSpace } from '../space/types.js';
import { decodeStateDict, type StateDict } from '../tensor/pytorch/state-dict.js';
import { codeOf } from './arguments.js';

/** Largest file that is read, bytes: what fits into one buffer. The largest published checkpoint has 193 MB. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** The bytes of a file. @throws BespokeError `invalid-request` naming it */
export async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new BespokeError('invalid-request', `"${path}" has ${size} bytes; read are files up to ${MAX_FILE_BYTES}`);
    }
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof BespokeError) throw cause;
    throw new BespokeError('invalid-request', `"${path}" cannot be read (${codeOf(cause)})`, {}, cause);
  }
}

/** The named tensors of a file of PyTorch's, and its sha256. */
export async function openCheckpoint(path: string): Promise<StateDict & { readonly fileSha256: string }> {
  const bytes = await readWhole(path);
  return { ...decodeStateDict(bytes, `"${path}"`), fileSha256: sha256(bytes) };
}

export interface PredictorChoices {
  /** Of the first inputs of a file of `ofa.nas`; the usual ones unless told. */
  readonly resolutions?: readonly number[] | undefined;
  /** Further spaces, to say which one a file fits. */
  readonly others: readonly SearchSpace[];
}

export interface ConvertedPredictor extends PublishedPredictor {
  readonly bytes: PredictorBytes;
  readonly fileSha256: string;
}

/** A published accuracy predictor as the two files of ours. */
export async function convertPredictor(
  path: string,
  space: SearchSpace,
  { resolutions, others }: PredictorChoices,
): Promise<ConvertedPredictor> {
  const { tensors, fileSha256 } = await openCheckpoint(path);
  const published = readPublishedPredictor(space, tensors, { where: `"${path}"`, resolutions, others });
  const imported = { form: published.form, fileSha256 };
  const facts = { spaceId: space.id, resolutions: published.resolutions, imported };
  return { ...published, bytes: encodePredictor(published.ensemble, facts), fileSha256 };
}
