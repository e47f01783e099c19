import { invariant } from '../common/invariant.js';
import { makeRng, type Rng, shuffled } from '../common/rng.js';
import { nextStep, type Steps, stepsOf, type WorkOptions } from '../common/work.js';
import { type LoadedModel, loadForTiming } from '../evaluate/latency.js';
import { quantileOf, timeInterleaved } from '../runtime/timing.js';
import { type PolishedTimes, polish } from './fit.js';

/** A pass that was faster or slower as a whole by more than this share is repeated: the machine was disturbed. */
const MAX_DRIFT = 0.1;
/** Passes in all, at most, as a multiple of those wanted. */
const MAX_REPEATS = 2;

export interface PassOptions extends WorkOptions {
  /** Undisturbed passes wanted. */
  readonly passes: number;
  /** Timed runs of a subject in a pass. */
  readonly runs: number;
  /** Time after which no further pass begins, once three are there, ms. */
  readonly maxMs: number;
  readonly rng: Rng;
}

/** Loads models one by one, all or none. */
async function loadAll(models: readonly (() => Uint8Array)[], options: PassOptions): Promise<LoadedModel[]> {
  const loaded: LoadedModel[] = [];
  try {
    for (const build of models) {
      await nextStep(options);
      loaded.push(await loadForTiming(build(), 1));
    }
    return loaded;
  } catch (error) {
    for (const model of loaded) await model.release();
    throw error;
  }
}

/** The p50 of each subject in one pass, every subject a burst in turn, in random order. */
async function onePass(loaded: readonly LoadedModel[], options: PassOptions): Promise<number[]> {
  const times = new Array<number>(loaded.length).fill(0);
  const order = shuffled(
    loaded.map((_, i) => i),
    options.rng,
  );
  const timing = { minSamples: options.runs, maxMs: 0, warmUpRuns: 2, burst: options.runs, ...stepsOf(options) };
  for (const subject of order) {
    const model = loaded[subject]!; // order holds indices of loaded
    const [samples] = await timeInterleaved([model.run], timing);
    invariant(samples !== undefined, () => 'one subject gives one list of samples');
    times[subject] = quantileOf(samples, 0.5);
  }
  return times;
}

const isSteady = (level: number): boolean => Math.abs(Math.log(level)) <= Math.log1p(MAX_DRIFT);

/**
 * Times many small models in several passes over all of them, each pass a p50 per model with hot caches; passes during which
 * the machine was faster or slower by more than 10 % do not count and are repeated, up to as many again.
 * Sessions are made once and released at the end.
 * @param models builders of encoded models, called once each
 * @returns ms per model; levels of the passes that counted
 */
export async function timePasses(models: readonly (() => Uint8Array)[], options: PassOptions): Promise<PolishedTimes> {
  const loaded = await loadAll(models, options);
  const startedAt = performance.now();
  try {
    const all: number[][] = [];
    let steady = all;
    while (steady.length < options.passes && all.length < MAX_REPEATS * options.passes) {
      if (steady.length >= 3 && performance.now() - startedAt > options.maxMs) break;
      all.push(await onePass(loaded, options));
      const { levels } = polish(all);
      steady = all.filter((_, p) => isSteady(levels[p]!));
      options.onProgress?.({ done: Math.min(steady.length, options.passes), total: options.passes, note: 'measuring' });
    }
    return polish(steady.length >= 3 ? steady : all);
  } finally {
    for (const model of loaded) await model.release();
  }
}

/** Times few models with the passes of {@link timePasses}, from a fixed seed. */
export function timeFew(
  models: readonly (() => Uint8Array)[],
  passes: number,
  runs: number,
  steps: Steps = {},
): Promise<PolishedTimes> {
  return timePasses(models, { passes, runs, maxMs: Number.POSITIVE_INFINITY, rng: makeRng(0), ...stepsOf(steps) });
}
