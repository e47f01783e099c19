import { invariant } from '../common/invariant.js';
import { makeRng } from '../common/rng.js';

/** The batches of an endless run over a list of images; any step can be asked for in any order. */
export interface BatchSource {
  /** Image indices of a step, `batch` of them; step 0, 1, 2, ... */
  indices(step: number): Int32Array;
  /** Whole batches per epoch; the images left over sit out that epoch. */
  readonly stepsPerEpoch: number;
}

/** The images of one epoch in random order: a pure function of the seed and the epoch (Fisher-Yates). */
function epochOrder(images: ArrayLike<number>, seed: number, epoch: number): Int32Array {
  const rng = makeRng(seed).fork('epoch').fork(epoch);
  const order = Int32Array.from(images);
  for (let i = order.length - 1; i > 0; i--) {
    const j = rng.int(i + 1);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}

/**
 * Batches by step index alone: step s is batch `s mod stepsPerEpoch` of the epoch's permutation, so a run resumes from its step count.
 * @param images indices to draw from, at least `batch` of them
 * @param batch images per step
 */
export function makeBatches(images: ArrayLike<number>, batch: number, seed: number): BatchSource {
  const stepsPerEpoch = Math.floor(images.length / batch);
  invariant(stepsPerEpoch >= 1, () => `a batch of ${batch} needs as many images, got ${images.length}`);
  let cachedEpoch = -1;
  let order: Int32Array = new Int32Array(0);
  return {
    stepsPerEpoch,
    indices: (step) => {
      const epoch = Math.floor(step / stepsPerEpoch);
      if (epoch !== cachedEpoch) {
        order = epochOrder(images, seed, epoch);
        cachedEpoch = epoch;
      }
      const start = (step % stepsPerEpoch) * batch;
      return order.slice(start, start + batch);
    },
  };
}
