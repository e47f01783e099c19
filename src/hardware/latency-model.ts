import { BespokeError } from '../common/errors.js';
import { makeBlockTable } from '../space/block-table.js';
import { blockKey } from '../space/blocks.js';
import type { Arch, LayerSpec, SearchSpace } from '../space/types.js';
import { nearestResolutions } from './nearest.js';
import type { LatencyModel, LatencyProfile } from './types.js';

function refuse(profile: LatencyProfile, detail: string): never {
  throw new BespokeError('no-latency-data', `the latency model of "${profile.hardware.id}" ${detail}`);
}

/** The key of a block's time in networks of one resolution. */
export function tableKey(resolution: number, layers: readonly LayerSpec[]): string {
  return `${resolution}: ${blockKey(layers)}`;
}

/** The time that a profile's table has for a block in networks of a resolution, ms, before scale and offset; undefined if it has none. */
export function blockMs(
  { table }: LatencyProfile,
  layers: readonly LayerSpec[],
  resolution: number,
): number | undefined {
  return table[tableKey(resolution, layers)] ?? table[blockKey(layers)];
}

/**
 * The latency model of a profile: scale * (sum of the table over the network's blocks) + offset.
 * @param drift how slow the machine is now against the profile, from `calibrateDrift`; 1 unless told
 * @throws BespokeError `no-latency-data` if the profile is for another space; `predict` throws it for a resolution or block that the profile lacks
 */
export function makeLatencyModel(space: SearchSpace, profile: LatencyProfile, drift = 1): LatencyModel {
  if (profile.spaceId !== space.id) refuse(profile, `is for the space "${profile.spaceId}", not for "${space.id}"`);
  const table = makeBlockTable(
    space,
    (layers, resolution) =>
      blockMs(profile, layers, resolution) ??
      refuse(profile, `has no time for the block "${blockKey(layers)}"; profile the hardware again`),
  );
  const known = new Set(profile.resolutions);
  return {
    profile,
    predict: (archs: readonly Arch[]) => {
      for (const { resolution } of archs) {
        if (!known.has(resolution)) {
          const nearest = nearestResolutions(profile.resolutions, resolution).join(' and ');
          refuse(
            profile,
            `covers the resolutions ${profile.resolutions.join(', ')}; asked was ${resolution}, nearest ${nearest}`,
          );
        }
      }
      const sums = table.total(archs);
      for (let i = 0; i < sums.length; i++) sums[i] = drift * (profile.scale * sums[i]! + profile.offsetMs);
      return sums;
    },
  };
}
