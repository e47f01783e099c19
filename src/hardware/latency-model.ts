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

/** Beyond this share an error says only that the model is of no use; it keeps the interval's upper end finite. */
const MAX_ERROR_SHARE = 0.9;

/**
 * The interval that held nine of ten held-out networks: their error e is a share of the measured value, so a network predicted at `ms`
 * is measured between ms / (1 + e) and ms / (1 - e).
 */
export function latencyInterval(profile: LatencyProfile, ms: number): Interval {
  const share = Math.min(MAX_ERROR_SHARE, profile.holdout.p90Percent / 100);
  return { low: ms / (1 + share), high: ms / (1 - share) };
}
