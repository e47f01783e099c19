import { BespokeError } from './common/errors.js';
import type { Progress } from './common/work.js';
import { canMeasureHere, LOCAL_CPU_ID } from './hardware/local-cpu.js';
import { loadProfile, profilesDir, saveProfile } from './hardware/profile-file.js';
import { profileLocalCpu } from './hardware/profile-local.js';
import type { LatencyProfile } from './hardware/types.js';
import { machineLockDir, withMeasurementLock } from './runtime/measurement-lock.js';
import { maxArch } from './space/arch.js';
import { archCosts } from './space/costs.js';
import type { SearchSpace } from './space/types.js';

export interface LocalProfileOptions {
  readonly dataDir: string;
  readonly onProgress: (progress: Progress) => void;
  /** Told when this machine was measured, which leaves a large heap behind. */
  readonly onProfiled: () => void;
}

/** Networks that the profile is measured on are drawn from this seed; a profile's revision says what came of it. */
const PROFILE_SEED = 1;

/**
 * A space whose largest network has more MACs is not measured without being asked for: one of ImageNet's size takes minutes, and a server
 * should start in seconds. `bespoke hardware profile --space` does it.
 */
const MOST_PROFILED_MACS = 100_000_000;

/**
 * The kept profile of this machine for a space, or a new one where there is none or the machine has changed; undefined where there is
 * none of a space of large networks.
 */
export async function localProfile(
  space: SearchSpace,
  { dataDir, onProgress, onProfiled }: LocalProfileOptions,
): Promise<LatencyProfile | undefined> {
  const dir = profilesDir(dataDir);
  const kept = await keptProfile(dir, space.id);
  if (kept !== undefined && canMeasureHere(kept.hardware)) return kept;
  if (archCosts(space, maxArch(space)).macs > MOST_PROFILED_MACS) return undefined;
  const profile = await withMeasurementLock(machineLockDir(), () =>
    profileLocalCpu(space, { seed: PROFILE_SEED, onProgress }),
  );
  await saveProfile(dir, profile);
  onProfiled();
  return profile;
}

/** The profile on disk; a damaged one counts as missing, since it can be measured again. */
async function keptProfile(dir: string, spaceId: string): Promise<LatencyProfile | undefined> {
  try {
    return await loadProfile(dir, LOCAL_CPU_ID, spaceId);
  } catch (error) {
    if (error instanceof BespokeError) return undefined;
    throw error;
  }
}
