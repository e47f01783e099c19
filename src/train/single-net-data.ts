import { BespokeError } from '../common/errors.js';
import type { WorkOptions } from '../common/work.js';
import type { ImageSource } from '../data/image-source.js';
import type { Bundle } from '../supernet/types.js';
import { recordOfBundle } from './data-record.js';
import { recordedSplits, recordedTarget, type TrainingData } from './training-data.js';

function refuseMisfit({ classNames, dir }: ImageSource, { id, supernet }: Bundle): void {
  const { classes } = supernet.space;
  if (classNames.length === classes) return;
  throw new BespokeError(
    'invalid-request',
    `${dir} has ${classNames.length} classes, the supernet "${id}" was trained on ${classes}; give the images it was trained on`,
  );
}

/**
 * The images that a bundle's supernet was trained on, split as they were then: what is trained on them now can still be measured with the bundle's
 * verification images, and compared with the supernet's own networks.
 * @throws BespokeError `invalid-request` if the images have other classes, `conflict` if they are not those that it was trained on
 */
export async function readBundleTrainingData(
  bundle: Bundle,
  source: ImageSource,
  work: WorkOptions = {},
): Promise<TrainingData> {
  refuseMisfit(source, bundle);
  const record = recordOfBundle(bundle, source);
  const splits = recordedSplits(source, record);
  const wanted = [...splits.train, ...splits.selection].sort((a, b) => a - b);
  const { images, indices } = await source.pool.read(wanted, recordedTarget(record), work);
  const held = new Set(splits.selection);
  const train: number[] = [];
  const selection: number[] = [];
  for (const [place, index] of indices.entries()) (held.has(index) ? selection : train).push(place);
  return { images, input: bundle.input, train, selection };
}
