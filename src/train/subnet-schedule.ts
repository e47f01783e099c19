import { makeRng, type Rng, shuffled } from '../common/rng.js';
import { archId, canonicalArch } from '../space/arch.js';
import { archCosts } from '../space/costs.js';
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

/** Architectures that a run pays attention to, ascending by MACs. */
export type AttendedFront = readonly { readonly arch: Arch; readonly macs: number }[];

/** Puts the architectures of one or more fronts in order; each once. */
export function attendedFront(space: SearchSpace, archs: readonly Arch[]): AttendedFront {
  const distinct = new Map(archs.map((arch) => [archId(space, arch), canonicalArch(space, arch)]));
  const priced = [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)); // ties in MACs: in an order that does not depend on the files'
  return priced.map(([, arch]) => ({ arch, macs: archCosts(space, arch).macs })).sort((a, b) => a.macs - b.macs);
}

/** The architecture nearest to a number of MACs that is uniform over the front's range: a front has most of its points where it is steep. */
function drawAttended(front: AttendedFront, rng: Rng): Arch {
  const low = front[0]!.macs;
  const wanted = low + rng.next() * (front[front.length - 1]!.macs - low);
  const distance = ({ macs }: AttendedFront[number]): number => Math.abs(macs - wanted);
  return front.reduce((best, point) => (distance(point) < distance(best) ? point : best)).arch;
}

/** What the choice depends on beside the position; nothing is remembered, so that a resumed run makes the same choices. */
export interface SubnetScheduleOptions {
  readonly space: SearchSpace;
  readonly pool: { readonly size: number; readonly replaceEvery: number };
  readonly seed: number;
  readonly worker: number;
  /** One or more; what phases with a `frontShare` draw from. */
  readonly front?: AttendedFront | undefined;
}

/**
 * The random sub-networks that a worker trains in a step: different places of its pool.
 * Each `replaceEvery` steps one place, in turn, gets a new random net.
 * @returns as many as the phase's `subnetsPerStep`; a pure function of the arguments
 */
export function subnetsOfStep(options: SubnetScheduleOptions, position: StepPosition): readonly ScheduledSubnet[] {
  const { space, pool, seed, worker, front } = options;
  const { phase, phaseIndex, stepInPhase } = position;
  const rng = makeRng(seed).fork('subnets').fork(phaseIndex).fork(worker);
  const places = Array.from({ length: pool.size }, (_, i) => i);
  const picked = shuffled(places, rng.fork('pick').fork(stepInPhase)).slice(0, phase.subnetsPerStep);
  const lifetime = pool.size * pool.replaceEvery;
  return picked.map((poolIndex) => {
    const generation = Math.floor((stepInPhase + poolIndex * pool.replaceEvery) / lifetime);
    const draw = rng.fork('arch').fork(poolIndex).fork(generation);
    const attended =
      front !== undefined && phase.frontShare !== undefined && draw.fork('front').next() < phase.frontShare;
    const arch = attended
      ? drawAttended(front, draw)
      : canonicalArch(space, sampleArch(restrictSpace(space, phase.elastic), draw));
    return { poolIndex, generation, arch };
  });
}
