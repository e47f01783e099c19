import { BespokeError } from '../common/errors.js';
import type { Interval } from '../search/types.js';
import { makeBlockTable } from '../space/block-table.js';
import { blockKey } from '../space/blocks.js';
import type { Arch, SearchSpace } from '../space/types.js';
import type { LatencyModel, LatencyProfile } from './types.js';

function refuse(profile: LatencyProfile, detail: string): never {
  throw new BespokeError('no-latency-data', `the latency model of "${profile.hardware.id}" ${detail}`);
}

/**
 * The latency model of a profile: scale * (sum of the table over the network's blocks) + offset.
 * @param drift how slow the machine is now against the profile, from `calibrateDrift`; 1 unless told
 * @throws BespokeError `no-latency-data` if the profile is for another space; `predict` throws it for a resolution or block that the profile lacks
 */
export function makeLatencyModel(space: SearchSpace, profile: LatencyProfile, drift = 1): LatencyModel {
  if (profile.spaceId !== space.id) refuse(profile, `is for the space "${profile.spaceId}", not for "${space.id}"`);
  const table = makeBlockTable(space, (layers) => {
    const key = blockKey(layers);
    return profile.table[key] ?? refuse(profile, `has no time for the block "${key}"; profile the hardware again`);
  });
  const known = new Set(profile.resolutions);
  return {
    profile,
    predict: (archs: readonly Arch[]) => {
      for (const { resolution } of archs) {
        if (!known.has(resolution)) {
          refuse(profile, `covers the resolutions ${profile.resolutions.join(', ')}; asked was ${resolution}`);
        }
      }
      const sums = table.total(archs);
      for (let i = 0; i < sums.length; i++) sums[i] = drift * (profile.scale * sums[i]! + profile.offsetMs);
      return sums;
    },
  };
}

/**
 * What a network predicted at `ms` stays under when it is measured, in nine of ten cases: the prediction plus the held-out networks'
 * 90th percentile of error. A search that keeps this under a budget serves networks that hold it.
 */
export function upperBound(profile: LatencyProfile, ms: number): number {
  return ms * (1 + profile.holdout.p90Percent / 100);
}

/** The interval around a prediction that held nine of ten held-out networks. */
export function latencyInterval(profile: LatencyProfile, ms: number): Interval {
  const share = profile.holdout.p90Percent / 100;
  return { low: Math.max(0, ms * (1 - share)), high: ms * (1 + share) };
}
