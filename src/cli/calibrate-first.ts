import { BespokeError } from '../common/errors.js';
import type { Config } from '../config.js';
import { readServerUrl } from '../store/data-dir.js';
import { addCalibration, type CalibrationOptions } from './calibration.js';
import { resolveBundle } from './offline.js';
import type { Terminal } from './terminal.js';

/**
 * `bespoke specialize --calibration`: gives the bundle its images before the command's own server loads it.
 * @throws BespokeError `invalid-request` without a supernet's name; `conflict` where a server that runs would not see the images, or the
 * bundle has some
 */
export async function calibrateFirst(
  terminal: Terminal,
  config: Config,
  options: CalibrationOptions & { readonly supernet?: string },
): Promise<void> {
  if (options.supernet === undefined) {
    throw new BespokeError('invalid-request', '--calibration needs --supernet: the bundle that the images go into');
  }
  const running = config.serverUrl ?? (await readServerUrl(config.dataDir));
  if (running !== undefined) {
    throw new BespokeError(
      'conflict',
      `a server runs at ${running} and has loaded its bundles: stop it before --calibration adds images to one`,
    );
  }
  await addCalibration(terminal, await resolveBundle(options.supernet, config.modelDirs), options);
}
