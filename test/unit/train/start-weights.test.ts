import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import type { StageSpec } from '../../../src/space/types.js';
import { decodeSafetensors, encodeSafetensors } from '../../../src/tensor/safetensors.js';
import { CHECKPOINT_FILE, saveCheckpoint } from '../../../src/train/checkpoint.js';
import { initSupernet } from '../../../src/train/initialize.js';
import { flatten, layoutOf } from '../../../src/train/parameter-layout.js';
import { trainSupernet, WEIGHTS_FILE } from '../../../src/train/run.js';
import { identityOf } from '../../../src/train/run-identity.js';
import { readStartWeights } from '../../../src/train/start-weights.js';
import { tinyRecipe, tinyRun, tinySpace } from './tiny-run.js';

const trained = initSupernet(tinySpace, makeRng(5));
let dir: string;
let finished: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'bespoke-start-'));
  finished = join(dir, 'finished');
  mkdirSync(finished);
  writeFileSync(join(finished, WEIGHTS_FILE), encodeSafetensors(trained, {}));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A recipe whose steps are too small to change a float32. */
function standstill() {
  const recipe = tinyRecipe(16);
  return { ...recipe, phases: recipe.phases.map((phase) => ({ ...phase, lr: 1e-30, weightDecay: 0 })) };
}

describe('weights to start from', () => {
  it('are where a new run begins', async () => {
    const { tensors: start, fresh } = readStartWeights(finished, tinySpace, 1);
    expect(fresh).toEqual([]);
    const out = join(dir, 'second');
    await trainSupernet(tinyRun(out, { start, recipe: standstill() }));
    const { tensors } = decodeSafetensors(readFileSync(join(out, WEIGHTS_FILE)), 'second');
    for (const [name, { data }] of trained) {
      const found = tensors.get(name)?.data;
      data.forEach((value, i) => {
        expect(Math.abs(Number(found?.[i]) - value)).toBeLessThan(1e-20); // zeros move by what the steps allow
      });
    }
  });

  it.each(['the average of its weights', 'its weights, where there is no average'])(
    'come from the checkpoint of a run that was stopped: %s',
    (what) => {
      const stopped = mkdtempSync(join(dir, 'stopped-'));
      const layout = layoutOf(trained);
      const vector = (): Float32Array => new Float32Array(layout.size);
      const kept = vector();
      flatten(layout, trained, kept);
      const hasAverage = what.startsWith('the average');
      saveCheckpoint(stopped, {
        identity: identityOf({ ...tinyRun(stopped), lowering: 'standard' }),
        ...{ step: 3, elapsedMs: 1, velocity: vector(), secondMoment: vector(), teacher: new Float32Array(0) },
        ...(hasAverage ? { weights: vector(), average: kept } : { weights: kept, average: new Float32Array(0) }),
      });
      writeFileSync(join(stopped, 'space.json'), JSON.stringify(tinySpace));
      expect(readStartWeights(stopped, tinySpace, 1)).toEqual({ tensors: trained, fresh: [] });
      expect(readFileSync(join(stopped, CHECKPOINT_FILE)).length).toBeGreaterThan(0);
    },
  );

  it('are part of what a run is resumed with', () => {
    const { tensors: start } = readStartWeights(finished, tinySpace, 1);
    const setup = { ...tinyRun(dir), lowering: 'standard' };
    expect(identityOf({ ...setup, start })).not.toEqual(identityOf(setup));
    expect(identityOf({ ...setup, start: initSupernet(tinySpace, makeRng(6)) })).not.toEqual(
      identityOf({ ...setup, start }),
    );
  });

  it('grow into a space with one more block, which is the identity at first', () => {
    const [first, last] = tinySpace.stages as [StageSpec, StageSpec];
    const deeper = { ...tinySpace, stages: [first, { ...last, depths: [1, 2, 3] }] };
    const { tensors, fresh } = readStartWeights(finished, deeper, 1);
    expect(fresh.length).toBeGreaterThan(0);
    expect(fresh.every((name) => name.startsWith('stages.1.blocks.2.'))).toBe(true);
    expect(new Set(tensors.get('stages.1.blocks.2.project.bn.weight')?.data)).toEqual(new Set([0]));
    for (const [name, tensor] of trained) expect(tensors.get(name)).toEqual(tensor);
  });

  it('are refused with the name of what does not fit', () => {
    const other = { ...tinySpace, classes: 4 };
    expect(() => readStartWeights(finished, other, 1)).toThrow(
      /"classifier\.bias" must be float32 \[4\] for the space "tiny"; given: float32 \[3\]/,
    );
    expect(() => readStartWeights(join(dir, 'nothing'), tinySpace, 1)).toThrow(/there is no such file or folder/);
    expect(() => readStartWeights(mkdtempSync(join(dir, 'empty-')), tinySpace, 1)).toThrow(/or a checkpoint is wanted/);
  });
});
