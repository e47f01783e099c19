import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { PREDICTOR_FILES } from '../predictors/file.js';
import { addBundleFiles } from '../supernet/bundle.js';
import type { Bundle } from '../supernet/types.js';
import { collectAccuracies } from '../train/predictor/collect.js';
import { readLabels } from '../train/predictor/label-file.js';
import { trainPredictor } from '../train/predictor/train.js';
import { EXIT } from './arguments.js';
import { formatCount, formatPercent } from './format.js';
import { openSource } from './own-data.js';
import type { Terminal } from './terminal.js';

/** What architectures are labeled with. */
export interface CollectCommand {
  readonly data?: string | undefined;
  readonly labels?: string | undefined;
  readonly archs: number;
  readonly images?: number | undefined;
  readonly workers: number;
  readonly seed: number;
}

/** Bytes of the prepared label images of one resolution in a worker, at most; they are kept for all of them. */
const MOST_IMAGE_BYTES = 512 * 2 ** 20;
const MOST_IMAGES = 3_000;

const labelsOf = (bundle: Bundle, options: CollectCommand): string =>
  options.labels ?? join(bundle.dir, 'labels.jsonl');

function defaultImages({ supernet: { space } }: Bundle): number {
  const side = Math.max(...space.resolutions);
  const bytes = space.inputChannels * side * side * Float32Array.BYTES_PER_ELEMENT;
  return Math.max(1, Math.min(MOST_IMAGES, Math.floor(MOST_IMAGE_BYTES / bytes)));
}

/** Labels the architectures that are not yet in the file. @returns labels in the file */
async function collect(terminal: Terminal, bundle: Bundle, options: CollectCommand): Promise<number> {
  const { dir } = await openSource(options, bundle.supernet.space.classes);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(signal));
  const count = await collectAccuracies({
    bundleDir: bundle.dir,
    dataDir: dir,
    outFile: labelsOf(bundle, options),
    count: options.archs,
    workers: options.workers,
    seed: options.seed,
    images: options.images ?? defaultImages(bundle),
    signal: stop.signal,
    onProgress: (progress) => terminal.progress('measuring sub-networks', progress),
  });
  terminal.endProgress();
  return count;
}

/** `bespoke predictor collect`: measured accuracies of many sub-networks, which a predictor learns from. */
export async function collectCommand(terminal: Terminal, bundle: Bundle, options: CollectCommand): Promise<number> {
  const labels = await collect(terminal, bundle, options);
  const file = labelsOf(bundle, options);
  terminal.printJson({ labels, file });
  terminal.print(`${formatCount(labels)} labels in ${file}`);
  return EXIT.done;
}

/** `bespoke predictor train`: with `--data` labels what is missing first; the predictor joins the bundle. */
export async function trainPredictorCommand(
  terminal: Terminal,
  bundle: Bundle,
  options: CollectCommand,
): Promise<number> {
  const file = labelsOf(bundle, options);
  if (options.data !== undefined) await collect(terminal, bundle, options);
  if (!existsSync(file)) {
    throw new BespokeError(
      'not-found',
      `there is no label file "${file}"; give the images with --data, and sub-networks are measured on them first`,
    );
  }
  const { supernet, dir } = bundle;
  const labels = await readLabels(file);
  if (labels.header.weightsSha256 !== supernet.sha256) {
    throw new BespokeError(
      'conflict',
      `${file} has labels of the weights ${labels.header.weightsSha256}, the bundle has ${supernet.sha256}; ` +
        'move the file away or give another with --labels',
    );
  }
  const { bytes, quality, trainedOn } = await trainPredictor(supernet.space, labels, {
    seed: options.seed,
    onProgress: (progress) => terminal.progress('training the predictor', progress),
  });
  terminal.endProgress();
  const files = new Map([
    [PREDICTOR_FILES.card, bytes.card],
    [PREDICTOR_FILES.tensors, bytes.tensors],
  ]);
  await addBundleFiles(dir, files, { predictor: { trainedOn, ...quality } });
  terminal.printJson({ trainedOn, ...quality });
  terminal.print(
    `${dir}: predictor of ${formatCount(trainedOn)} labels; on ${formatCount(quality.heldOut)} held out: ` +
      `error ${quality.rmsePoints.toFixed(2)} points (RMSE), Kendall tau ${quality.kendallTau.toFixed(2)}`,
  );
  const best = labels.rows.reduce((most, { top1 }) => Math.max(most, top1), 0);
  terminal.print(
    `best sub-network measured: top-1 ${formatPercent(best)} on ${formatCount(labels.header.images)} images`,
  );
  terminal.print(`next: bespoke serve --models ${dir}`);
  return EXIT.done;
}
