import { makeRng } from '../common/rng.js';
import { type Steps, throwIfAborted } from '../common/work.js';
import { lower } from '../space/lower.js';
import type { SearchSpace } from '../space/types.js';
import { timeFew } from './passes.js';
import { randomModel } from './random-model.js';
import type { LatencyProfile } from './types.js';

const PASSES = 5;
const RUNS_PER_PASS = 15;

/**
 * How slow this machine is now against when the profile was measured: a factor for its predictions, 1.1 = 10 % slower.
 * Measures the profile's reference networks again, in a few tenths of a second. Callers hold the measurement lock.
 * @returns 1 for a profile without references
 */
export async function calibrateDrift(space: SearchSpace, profile: LatencyProfile, steps: Steps = {}): Promise<number> {
  const references = profile.references ?? [];
  if (references.length === 0) return 1;
  throwIfAborted(steps.signal);
  const rng = makeRng(0);
  const models = references.map(
    ({ arch }) =>
      () =>
        randomModel(lower(space, arch), rng),
  );
  const { times } = await timeFew(models, PASSES, RUNS_PER_PASS, steps);
  const ratios = references.map(({ ms }, i) => times[i]! / ms).sort((a, b) => a - b);
  return ratios[ratios.length >> 1]!; // at least one
}
