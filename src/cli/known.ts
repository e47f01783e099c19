import { BespokeError } from '../common/errors.js';
import type { Config } from '../config.js';
import { LOCAL_CPU_ID } from '../hardware/local-cpu.js';
import { keptProfiles } from '../hardware-models.js';
import { findBundles } from '../model-dirs.js';
import { searchableResolutions } from '../specialize/feasible.js';
import { readServerUrl } from '../store/data-dir.js';

/** What a command names. */
interface Named {
  readonly supernet?: string | undefined;
  readonly hardware?: string | undefined;
  readonly resolutions?: readonly number[] | undefined;
}

function refuse(option: string, given: string, known: readonly string[]): never {
  const accepted = known.length === 0 ? 'there is none' : `known are ${known.join(', ')}`;
  throw new BespokeError('not-found', `${option} must name one that is known here, got "${given}"; ${accepted}`);
}

/**
 * Refuses names that the command's own server would not know, before it is started: a start takes seconds, and half a minute where this
 * machine is measured first. A server that runs answers for itself at once.
 * @throws BespokeError `not-found` or `invalid-request`
 */
export async function refuseUnknown(config: Config, { supernet, hardware, resolutions }: Named): Promise<void> {
  if ((config.serverUrl ?? (await readServerUrl(config.dataDir))) !== undefined) return;
  if (hardware !== undefined && hardware !== LOCAL_CPU_ID) {
    const { profiles } = await keptProfiles(config.dataDir);
    const known = [...new Set([LOCAL_CPU_ID, ...profiles.map((profile) => profile.hardware.id)])];
    if (!known.includes(hardware)) refuse('--hardware', hardware, known);
  }
  if (supernet === undefined && resolutions === undefined) return;
  const { bundles, refused } = await findBundles(config.modelDirs);
  // Of a bundle that is refused the server says why.
  if (refused.some(({ id }) => id === supernet)) return;
  const found = bundles.find(({ id }) => id === supernet);
  if (supernet !== undefined && found === undefined)
    refuse(
      '--supernet',
      supernet,
      bundles.map(({ id }) => id),
    );
  const space = found?.space ?? (bundles.length === 1 ? bundles[0]?.space : undefined);
  if (space !== undefined && resolutions !== undefined) searchableResolutions(space, [], resolutions);
}
