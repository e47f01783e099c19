import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { initSupernet } from '../../../src/train/initialize.js';
import { flatten, layoutOf } from '../../../src/train/parameter-layout.js';
import { sharedFloats, WorkerCrew } from '../../../src/train/worker-crew.js';
import { tinyRecipe, tinyRun, tinySpace } from './tiny-run.js';

// Real threads: seconds on an idle machine, minutes on one that is busy with other suites.
describe('WorkerCrew', { timeout: 180_000 }, () => {
  it('is closed after the failure of one worker, while another is in the middle of its step', async () => {
    const { data, lowering, seed } = tinyRun('unused');
    // 72 images are a whole batch of two workers: just one of them meets the label that there is not, before it computes anything.
    const labels = data.images.labels!.slice();
    labels[data.train[5]!] = 9;
    const base = tinyRecipe();
    const recipe = { ...base, phases: base.phases.map((phase) => ({ ...phase, images: 7_200, batch: 36 })) };
    const tensors = initSupernet(tinySpace, makeRng(seed));
    const layout = layoutOf(tensors);
    const weights = sharedFloats(layout.size);
    flatten(layout, tensors, weights);
    for (let round = 0; round < 3; round++) {
      const crew = new WorkerCrew({
        ...{ space: tinySpace, recipe, lowering, seed: seed + round, workers: 2, weights },
        data: { ...data, images: { ...data.images, labels } },
        teacher: sharedFloats(layout.size),
        memoryArena: undefined,
      });
      await expect(crew.step(0)).rejects.toThrow('training thread:');
      await crew.close(); // a thread that was terminated in its run would take this process with it
      await expect(crew.step(1)).rejects.toThrow();
    }
  });
});
