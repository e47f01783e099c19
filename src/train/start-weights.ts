import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { makeRng } from '../common/rng.js';
import { parseSpace } from '../space/parse-space.js';
import type { SearchSpace } from '../space/types.js';
import { BUNDLE_FILES } from '../supernet/bundle-files.js';
import { decodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor, Tensor } from '../tensor/tensor.js';
import { loadCheckpoint } from './checkpoint.js';
import { initSupernet } from './initialize.js';
import { layoutOf, unflatten } from './parameter-layout.js';
import { WEIGHTS_FILE } from './run.js';

/** Weights that a run starts from. */
export interface StartWeights {
  /** Of the largest shapes of the space, all of them. */
  readonly tensors: ReadonlyMap<string, FloatTensor>;
  /** Names of those that were not found and are as a new supernet has them: blocks that the space has and the found weights have not. */
  readonly fresh: readonly string[];
}

function refuse(path: string, what: string): never {
  throw new BespokeError('invalid-request', `--from ${path}: ${what}`);
}

function fromFile(path: string): ReadonlyMap<string, Tensor> {
  return decodeSafetensors(readFileSync(path), path).tensors;
}

/** A finished run or a bundle has weights; a stopped run has a checkpoint, whose average counts where it keeps one. */
function fromFolder(dir: string): ReadonlyMap<string, Tensor> {
  const finished = [WEIGHTS_FILE, BUNDLE_FILES.weights].map((name) => join(dir, name)).find((path) => existsSync(path));
  if (finished !== undefined) return fromFile(finished);
  const found = loadCheckpoint(dir);
  if (found === undefined)
    refuse(dir, `a folder with ${WEIGHTS_FILE}, ${BUNDLE_FILES.weights} or a checkpoint is wanted`);
  const spacePath = join(dir, 'space.json');
  const layout = layoutOf(initSupernet(parseSpace(JSON.parse(readFileSync(spacePath, 'utf8')), spacePath), makeRng(0)));
  const { weights, average } = found.checkpoint;
  if (weights.length !== layout.size)
    refuse(dir, `its space.json has ${layout.size} weights, its checkpoint ${weights.length}`);
  return unflatten(layout, average.length > 0 ? average : weights);
}

function isFitting(tensor: Tensor, dims: readonly number[]): tensor is FloatTensor {
  return tensor.type === 'float32' && tensor.dims.length === dims.length && dims.every((d, i) => d === tensor.dims[i]);
}

/**
 * Weights that a new run starts from instead of random ones: those of another run, finished or not, or of a bundle. The optimizer's moments are not
 * taken over. A space with more blocks than they were trained with is grown into: what is missing starts fresh, a residual block as the identity.
 * @param path a run's or a bundle's folder, or a safetensors file
 * @param seed of what starts fresh
 * @throws BespokeError `invalid-request` if there are no weights, or they do not fit the space
 */
export function readStartWeights(path: string, space: SearchSpace, seed: number): StartWeights {
  if (!existsSync(path)) refuse(path, 'there is no such file or folder');
  const found = statSync(path).isDirectory() ? fromFolder(path) : fromFile(path);
  const fresh: string[] = [];
  const tensors = new Map(initSupernet(space, makeRng(seed).fork('init')));
  for (const [name, tensor] of found) {
    const { dims } = tensors.get(name) ?? refuse(path, `"${name}" is no tensor of the space "${space.id}"`);
    if (!isFitting(tensor, dims)) {
      const given = `${tensor.type} [${tensor.dims.join(', ')}]`;
      refuse(path, `"${name}" must be float32 [${dims.join(', ')}] for the space "${space.id}"; given: ${given}`);
    }
    tensors.set(name, tensor);
  }
  for (const name of tensors.keys()) if (!found.has(name)) fresh.push(name);
  if (fresh.length === tensors.size) refuse(path, 'it holds no weights');
  return { tensors, fresh };
}
