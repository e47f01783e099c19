import { makeRng, shuffled } from '../common/rng.js';
import { canonicalArch } from '../space/arch.js';
import { sampleArch } from '../space/sample.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { restrictSpace, type StepPosition } from './phases.js';

/** A random sub-network of a step: which place of the pool it lives in, and since when. */
export interface ScheduledSubnet {
  readonly poolIndex: number;
  /** Counts the nets that this place has held; a session of an older generation is out of date. */
  readonly generation: number;
  readonly arch: Arch;
}

/** What the choice depends on beside the position; nothing is remembered, so that a resumed run makes the same choices. */
export interface SubnetScheduleOptions {
  readonly space: SearchSpace;
  readonly pool: { readonly size: number; readonly replaceEvery: number };
  readonly seed: number;
  readonly worker: number;
}

/**
 * The random sub-networks that a worker trains in a step: different places of its pool.
 * Each `replaceEvery` steps one place, in turn, gets a new random net.
 * @returns as many as the phase's `subnetsPerStep`; a pure function of the arguments
 */
export function subnetsOfStep(options: SubnetScheduleOptions, position: StepPosition): readonly ScheduledSubnet[] {
  const { space, pool, seed, worker } = options;
  const { phase, phaseIndex, stepInPhase } = position;
  const rng = makeRng(seed).fork('subnets').fork(phaseIndex).fork(worker);
  const places = Array.from({ length: pool.size }, (_, i) => i);
  const picked = shuffled(places, rng.fork('pick').fork(stepInPhase)).slice(0, phase.subnetsPerStep);
  const lifetime = pool.size * pool.replaceEvery;
  return picked.map((poolIndex) => {
    const generation = Math.floor((stepInPhase + poolIndex * pool.replaceEvery) / lifetime);
    const draw = rng.fork('arch').fork(poolIndex).fork(generation);
    const arch = canonicalArch(space, sampleArch(restrictSpace(space, phase.elastic), draw));
    return { poolIndex, generation, arch };
  });
}
