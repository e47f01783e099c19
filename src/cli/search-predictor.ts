import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { type AccuracyPredictor, loadPredictor } from '../predictors/predictor.js';
import { PUBLISHED_SPACES } from '../space/published.js';
import type { SearchSpace } from '../space/types.js';
import { readJson } from './arguments.js';
import { convertPredictor } from './checkpoint-file.js';

/** The weights that a predictor says it was made for; they are not at hand in a search alone, so its own word is taken. */
async function madeFor(dir: string): Promise<string> {
  const path = join(dir, 'predictor.json');
  const card = await readJson(path);
  const read = (field: string): unknown =>
    typeof card === 'object' && card !== null ? Reflect.get(card, field) : undefined;
  const sha = read('weightsSha256');
  if (typeof sha === 'string') return sha;
  if (read('imported') !== undefined) return ''; // an imported one does not know its weights, and is not asked
  throw new BespokeError('bundle-invalid', `"${path}" does not say which weights it was made for`);
}

/** The accuracy predictor of a search: a folder of `predictor.json`, or a published `.pth`, which is imported on the way. */
export async function openSearchPredictor(source: string, space: SearchSpace): Promise<AccuracyPredictor> {
  if (!source.endsWith('.pth')) return loadPredictor(source, { space, weightsSha256: await madeFor(source) });
  const { bytes } = await convertPredictor(source, space, { others: PUBLISHED_SPACES });
  return loadPredictor(bytes, { space, weightsSha256: '' });
}
