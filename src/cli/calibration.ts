import { BespokeError } from '../common/errors.js';
import { type CalibrationImages, readCalibrationImages } from '../data/calibration-images.js';
import type { SearchSpace } from '../space/types.js';
import { addCalibrationImages, NO_IMAGES } from '../supernet/bundle.js';
import type { Bundle, ImageSet, InputSpec } from '../supernet/types.js';
import { formatCount } from './format.js';
import { noteSkippedFiles } from './own-data.js';
import type { Terminal } from './terminal.js';

/** The published procedure's number of images (ofa_nets' set_running_statistics). */
const MOST_IMAGES = 2_000;
/** A bundle is loaded whole: unless more images are asked for, they take at most so many bytes. */
const MOST_BYTES = 64 * 2 ** 20;

export interface CalibrationOptions {
  /** Folder of images. */
  readonly calibration?: string | undefined;
  /** How many are taken, at most; unless told, up to {@link MOST_IMAGES} within {@link MOST_BYTES}. */
  readonly calibrationImages?: number | undefined;
}

/** Which networks the images are for. */
interface CalibratedFor {
  readonly space: SearchSpace;
  readonly input: InputSpec;
}

/**
 * Reads the images of `--calibration`, of the size that the largest resolution is cut from; none without the option.
 * @throws BespokeError as {@link readCalibrationImages}
 */
export async function calibrationImages(
  terminal: Terminal,
  { space, input }: CalibratedFor,
  { calibration, calibrationImages: asked }: CalibrationOptions,
): Promise<ImageSet> {
  if (calibration === undefined) return NO_IMAGES;
  const channels = input.channels === 1 ? 1 : 3;
  const side = Math.round(Math.max(...space.resolutions) / input.cropFraction);
  const fitting = Math.min(MOST_IMAGES, Math.floor(MOST_BYTES / (channels * side ** 2)));
  const count = asked ?? fitting;
  const read = await readCalibrationImages(
    calibration,
    { channels, side, count },
    { onProgress: (progress) => terminal.progress('reading images', progress) },
  );
  terminal.endProgress();
  noteRead(terminal, calibration, read, asked);
  return read.images;
}

function noteRead(
  terminal: Terminal,
  dir: string,
  { images, skipped }: CalibrationImages,
  asked: number | undefined,
): void {
  noteSkippedFiles(terminal, skipped);
  const fewer = asked !== undefined && images.count < asked ? `; ${formatCount(asked)} were asked for` : '';
  terminal.note(`${formatCount(images.count)} images of ${dir}${fewer}`);
}

/** What a new bundle's images allow. */
export function calibrationSentence(count: number): string {
  return count === 0
    ? "batch normalization has the supernet's statistics, and there are no images to calibrate or measure with (--calibration takes a folder)"
    : `${formatCount(count)} images to calibrate batch normalization with; no labeled ones, so no accuracy is measured`;
}

/**
 * `bespoke specialize --calibration`: the images join the bundle that is cut from, before it is loaded.
 * @throws BespokeError `conflict` if it has calibration images already
 */
export async function addCalibration(
  terminal: Terminal,
  { dir, supernet: { space }, input, calibration }: Bundle,
  options: CalibrationOptions,
): Promise<void> {
  if (calibration.count > 0) {
    throw new BespokeError(
      'conflict',
      `the bundle in "${dir}" has ${formatCount(calibration.count)} calibration images already; leave out --calibration`,
    );
  }
  await addCalibrationImages(dir, await calibrationImages(terminal, { space, input }, options));
}
