import { BespokeError } from '../common/errors.js';
import { canonicalJson, type Sha256, sha256 } from '../common/hash.js';
import type { SearchSpace } from '../space/types.js';
import { encodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor } from '../tensor/tensor.js';
import type { RunIdentity } from './checkpoint.js';
import type { Recipe } from './recipe.js';
import { type SingleNet, singleNetSha256 } from './single-net.js';
import type { TrainingData } from './training-data.js';

/** What a run is begun with. */
export interface RunSetup {
  readonly space: SearchSpace;
  readonly net?: SingleNet;
  readonly start?: ReadonlyMap<string, FloatTensor> | undefined;
  readonly recipe: Recipe;
  readonly data: TrainingData;
  readonly seed: number;
  readonly workers: number;
  /** Name of the operators. */
  readonly lowering: string;
}

/** sha256 over what training reads of its images: pixels, labels, dims, normalization, and which are trained on and held out, in their order. */
export function dataSha256({ images, input, train, selection }: TrainingData): Sha256 {
  const { pixels, labels, ...dims } = images;
  return sha256(
    canonicalJson({
      pixels: sha256(pixels),
      labels: labels === undefined ? null : sha256(labels),
      dims,
      input,
      train: sha256(JSON.stringify(train)),
      selection: sha256(JSON.stringify(selection)),
    }),
  );
}

/** The identity of a run. */
export function identityOf({ space, net, start, recipe, data, seed, workers, lowering }: RunSetup): RunIdentity {
  const { height, width, channels } = data.images;
  return {
    spaceSha256: sha256(canonicalJson(space)),
    netSha256: net === undefined ? 'none' : singleNetSha256(space, net),
    ...(start === undefined ? {} : { startSha256: sha256(encodeSafetensors(start)) }),
    recipeSha256: sha256(canonicalJson(recipe)),
    dataSha256: dataSha256(data),
    images: `${data.train.length} trained on and ${data.selection.length} held out, ${width}x${height}x${channels}`,
    lowering,
    seed,
    workers,
  };
}

/**
 * Refuses to go on with another run's checkpoint.
 * @throws BespokeError `invalid-request`, naming what differs
 */
export function checkIdentity(found: RunIdentity, wanted: RunIdentity, path: string): void {
  const keys = new Set([...Object.keys(wanted), ...Object.keys(found)] as (keyof RunIdentity)[]);
  const differing = [...keys].filter((key) => found[key] !== wanted[key]);
  if (differing.length === 0) return;
  const list = differing.map((key) => `${key} ${found[key] ?? 'none'} there, ${wanted[key] ?? 'none'} here`).join('; ');
  throw new BespokeError(
    'invalid-request',
    `${path} belongs to another run (${list}); resume with what it was begun with`,
  );
}
