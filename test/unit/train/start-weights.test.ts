import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../../src/tensor/safetensors.js';
import { trainSupernet, WEIGHTS_FILE } from '../../../src/train/run.js';
import { readStartWeights } from '../../../src/train/start-weights.js';
import { tinyRecipe, tinyRun, tinySpace } from './tiny-run.js';

let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bespoke-start-'));
  await trainSupernet(tinyRun(join(dir, 'first')));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A recipe whose steps are too small to change a float32. */
function standstill() {
  const recipe = tinyRecipe(16);
  return { ...recipe, phases: recipe.phases.map((phase) => ({ ...phase, lr: 1e-30, weightDecay: 0 })) };
}

describe('weights to start from', () => {
  it('are where a new run begins, from a finished run', async () => {
    const start = readStartWeights(join(dir, 'first'), tinySpace);
    const out = join(dir, 'second');
    await trainSupernet(tinyRun(out, { start, recipe: standstill() }));
    expect(readFileSync(join(out, WEIGHTS_FILE)).length).toBeGreaterThan(0);
    const { tensors } = decodeSafetensors(readFileSync(join(out, WEIGHTS_FILE)), 'second');
    expect(tensors).toEqual(decodeSafetensors(readFileSync(join(dir, 'first', WEIGHTS_FILE)), 'first').tensors);
  });

  it('come from the checkpoint of a run that was stopped', async () => {
    const stopped = join(dir, 'stopped');
    const abort = AbortSignal.abort();
    await trainSupernet(tinyRun(stopped, { signal: abort, seed: 9 }));
    const start = readStartWeights(stopped, tinySpace);
    expect(start.get('classifier.weight')).not.toEqual(
      readStartWeights(join(dir, 'first'), tinySpace).get('classifier.weight'),
    );
  });

  it('are part of what a run is resumed with', async () => {
    const start = readStartWeights(join(dir, 'first'), tinySpace);
    const out = join(dir, 'third');
    await trainSupernet(tinyRun(out, { start, signal: AbortSignal.abort() }));
    await expect(trainSupernet(tinyRun(out, { resume: true }))).rejects.toThrow(/startSha256 \w+ there, none here/);
  });

  it('are refused with the name of what does not fit', () => {
    const other = { ...tinySpace, classes: 4 };
    expect(() => readStartWeights(join(dir, 'first'), other)).toThrow(
      /"classifier\.weight" must be float32 \[4, 16\] for the space "tiny"; given: float32 \[3, 16\]/,
    );
    expect(() => readStartWeights(join(dir, 'nothing'), tinySpace)).toThrow(/there is no such file or folder/);
    const empty = mkdtempSync(join(dir, 'empty-'));
    writeFileSync(join(empty, 'note.txt'), '');
    expect(() => readStartWeights(empty, tinySpace)).toThrow(/a folder with .* or a checkpoint is wanted/);
  });
});
