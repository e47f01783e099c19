import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { makeRng } from '../common/rng.js';
import type { SearchSpace } from '../space/types.js';
import { expectedTensors } from '../supernet/expected-tensors.js';
import { decodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor, Tensor } from '../tensor/tensor.js';
import { loadCheckpoint } from './checkpoint.js';
import { initSupernet } from './initialize.js';
import { layoutOf, unflatten } from './parameter-layout.js';
import { WEIGHTS_FILE } from './run.js';

/** Name of a bundle's weights. */
const BUNDLE_WEIGHTS_FILE = 'weights.safetensors';

type Weights = ReadonlyMap<string, FloatTensor>;

/** A finished folder has weights; a stopped one has a checkpoint, whose average counts where it keeps one. */
function fromFolder(dir: string, space: SearchSpace): Weights {
  for (const name of [WEIGHTS_FILE, BUNDLE_WEIGHTS_FILE]) {
    const finished = join(dir, name);
    if (existsSync(finished)) return fromFile(finished, space);
  }
  const found = loadCheckpoint(dir);
  if (found === undefined) {
    throw new BespokeError('invalid-request', `--from ${dir}: a folder with ${WEIGHTS_FILE} or a checkpoint is wanted`);
  }
  const { weights, average } = found.checkpoint;
  const layout = layoutOf(initSupernet(space, makeRng(0)));
  if (weights.length !== layout.size) {
    const detail = `--from ${dir}: its checkpoint has ${weights.length} weights, the space "${space.id}" has ${layout.size}`;
    throw new BespokeError('invalid-request', `${detail}; give the space that it was trained with`);
  }
  return unflatten(layout, average.length > 0 ? average : weights);
}

function isFitting(tensor: Tensor | undefined, dims: readonly number[]): tensor is FloatTensor {
  return tensor?.type === 'float32' && tensor.dims.length === dims.length && dims.every((d, i) => d === tensor.dims[i]);
}

function fromFile(path: string, space: SearchSpace): Weights {
  const { tensors } = decodeSafetensors(readFileSync(path), path);
  const weights = new Map<string, FloatTensor>();
  for (const [name, dims] of expectedTensors(space)) {
    const tensor = tensors.get(name);
    if (!isFitting(tensor, dims)) {
      const given = tensor === undefined ? 'nothing' : `${tensor.type} [${tensor.dims.join(', ')}]`;
      const rule = `"${name}" must be float32 [${dims.join(', ')}] for the space "${space.id}"`;
      throw new BespokeError('invalid-request', `--from ${path}: ${rule}; given: ${given}`);
    }
    weights.set(name, tensor);
  }
  return weights;
}

/**
 * Weights that a new run starts from instead of random ones: another run's, finished or not, of the same space.
 * Its optimizer's moments are not taken over.
 * @param path a run's or a bundle's folder, or a safetensors file
 * @throws BespokeError `invalid-request` if there are no weights or they do not fit the space
 */
export function readStartWeights(path: string, space: SearchSpace): Weights {
  if (!existsSync(path)) throw new BespokeError('invalid-request', `--from ${path}: there is no such file or folder`);
  return statSync(path).isDirectory() ? fromFolder(path, space) : fromFile(path, space);
}
