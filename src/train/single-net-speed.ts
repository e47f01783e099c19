import { makeRng } from '../common/rng.js';
import { flatten, layoutOf } from './parameter-layout.js';
import type { TrainRunOptions } from './run.js';
import { initNet, type SingleNet } from './single-net.js';
import { shareImages } from './training-data.js';
import { sharedFloats, WorkerCrew } from './worker-crew.js';

/** Steps that are timed; the first half warms up: fresh memory makes a session's first dozen steps several times slower. */
const TRIAL_STEPS = 32;

/**
 * Images per second, over all workers, that a run of one network would train: the median of some steps, which change nothing.
 * The update, validations and checkpoints are not in it.
 */
export async function measureNetSpeed(options: TrainRunOptions & { readonly net: SingleNet }): Promise<number> {
  const { space, net, teachers, recipe, lowering, memoryArena, seed, workers } = options;
  const layout = layoutOf(initNet(space, net.arch, makeRng(0)));
  const weights = sharedFloats(layout.size);
  flatten(layout, net.tensors, weights);
  const { tensors: _, ...setup } = net;
  const data = { ...options.data, images: shareImages(options.data.images) };
  const [first] = recipe.phases;
  // The recipe may be shorter than the trial, and steps beyond its end have no phase.
  const trial = { ...recipe, phases: first === undefined ? [] : [{ ...first, images: Number.MAX_SAFE_INTEGER }] };
  const teacher = sharedFloats(layout.size);
  const crew = new WorkerCrew({
    ...{ space, net: setup, teachers, recipe: trial, lowering, memoryArena, seed, workers, data, weights, teacher },
  });
  const stepMs: number[] = [];
  try {
    for (let step = 0; step < TRIAL_STEPS; step++) {
      const start = performance.now();
      await crew.step(step);
      stepMs.push(performance.now() - start);
    }
  } finally {
    await crew.close();
  }
  const warm = stepMs.slice(TRIAL_STEPS / 2).sort((a, b) => a - b);
  const medianMs = warm[warm.length >> 1] ?? Number.NaN;
  return ((first?.batch ?? 0) * workers * 1000) / medianMs;
}
