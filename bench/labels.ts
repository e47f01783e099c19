/**
 * What labels are worth: how well they, and predictors trained on them, tell what held-out architectures reach on other images, the bundle's verification
 * images, which no label was measured on. Top-1 as measured on the label images beside top-1 as expected by way of soft top-1, predictors of both
 * at growing numbers of labels. An error is taken after the mean difference: one set of images is harder than another for all.
 *
 *   npm run bench:labels -- [--labels FILE] [--held N] [--data DIR] [--models DIR] [--seed N] [--quick] [--json]
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BespokeError } from '../src/common/errors.js';
import { kendallTau } from '../src/common/rank-correlation.js';
import { makeRng, shuffled } from '../src/common/rng.js';
import type { Progress } from '../src/common/work.js';
import { findFashionMnist } from '../src/data/fashion-mnist.js';
import { reliabilityOf, rmse, tauCeiling } from '../src/predictors/quality.js';
import { encodingLength } from '../src/space/encoding.js';
import type { SearchSpace } from '../src/space/types.js';
import { loadBundle } from '../src/supernet/bundle.js';
import type { Bundle } from '../src/supernet/types.js';
import { collectAccuracies } from '../src/train/predictor/collect.js';
import { expectedTop1 } from '../src/train/predictor/expected-top1.js';
import { type ArchLabel, makeLabeler } from '../src/train/predictor/label.js';
import { type LabelFile, type LabelRow, readLabels } from '../src/train/predictor/label-file.js';
import { encodeRows, predictTop1, trainEnsemble } from '../src/train/predictor/train.js';
import {
  type BenchOptions,
  type BenchResult,
  countOption,
  findBundleDir,
  MODELS_OPTION,
  modelDirsOf,
  note,
  openDataDir,
  row,
  runBench,
} from './harness.js';
import { mean } from './statistics.js';

const SETTINGS = {
  full: { labels: 4000, held: 300, images: 3000, otherImages: 2000, sizes: [250, 500, 1000, 2000, 4000], members: 4 },
  quick: { labels: 50, held: 15, images: 100, otherImages: 100, sizes: [35], members: 1 },
} as const;

/** How figures of some architectures tell what the same reach on other images. */
interface Worth {
  readonly kendallTau: number;
  /** Percentage points, after the mean difference. */
  readonly rmsePoints: number;
}

function worthOf(figures: ArrayLike<number>, other: readonly number[]): Worth {
  const level = mean(other.map((top1, i) => figures[i]! - top1));
  const brought = other.map((top1) => top1 + level);
  return { kendallTau: kendallTau(figures, other), rmsePoints: 100 * rmse(figures, brought) };
}

/** The labels of a file that is there, as it is; or new ones, kept where a file is named. */
async function labelsFor(bundleDir: string, options: BenchOptions, count: number, images: number): Promise<LabelFile> {
  const { labels: path, data } = options.given;
  if (path !== undefined && existsSync(path)) {
    const there = await readLabels(path);
    note(`${there.rows.length} labels in ${path}, as they are (collect-accuracies goes on with them)`);
    return there;
  }
  const folder = path === undefined ? openDataDir(undefined) : undefined;
  const outFile = path ?? join(folder!.dir, 'labels.jsonl');
  const onProgress = ({ done, total, note: left }: Progress): void => {
    if (done % 100 === 0 || done === total) note(`${done} of ${total} labeled, ${left}`);
  };
  const dataDir = data ?? findFashionMnist([]);
  try {
    await collectAccuracies({ bundleDir, dataDir, outFile, count, images, workers: 2, seed: 1, onProgress });
    return await readLabels(outFile);
  } finally {
    folder?.remove();
  }
}

/** Top-1 on images that no label was measured on. */
async function onOtherImages(bundle: Bundle, rows: readonly LabelRow[], images: number): Promise<ArchLabel[]> {
  const indices = Array.from({ length: Math.min(images, bundle.verification.count) }, (_, i) => i);
  const setting = { bundle, images: bundle.verification, indices, calibrationImages: 1000, calibrationBatch: 200 };
  const labeler = makeLabeler(setting);
  const labels: ArchLabel[] = [];
  for (const [i, { arch }] of rows.entries()) {
    labels.push(await labeler.label(arch));
    if ((i + 1) % 50 === 0) note(`${i + 1} of ${rows.length} measured on other images`);
  }
  return labels;
}

const TARGETS = ['measured', 'expected'] as const;

interface PredictorWorth extends Worth {
  readonly labels: number;
  readonly targets: (typeof TARGETS)[number];
}

/** Predictors of the first labels of a list, at each number of them and of both targets, told by the held-out architectures. */
async function predictorsOf(
  space: SearchSpace,
  train: readonly LabelRow[],
  held: readonly LabelRow[],
  other: readonly number[],
  options: { readonly sizes: readonly number[]; readonly members: number; readonly seed: number },
): Promise<PredictorWorth[]> {
  const { resolutions } = space;
  const inputs = encodeRows(space, held, resolutions);
  const found: PredictorWorth[] = [];
  for (const size of new Set(options.sizes.map((each) => Math.min(each, train.length)))) {
    for (const targets of TARGETS) {
      const training = { seed: options.seed, targets, mlp: { members: options.members } };
      const ensemble = await trainEnsemble(space, train.slice(0, size), resolutions, training);
      const predicted = await predictTop1(ensemble, inputs, encodingLength(space, resolutions));
      found.push({ labels: size, targets, ...worthOf(predicted, other) });
      note(`predictor of ${size} labels, top-1 as ${targets}`);
    }
  }
  return found;
}

const text = ({ kendallTau: tau, rmsePoints }: Worth): string =>
  `tau ${tau.toFixed(3)}, error ${rmsePoints.toFixed(3)} points`;

async function run(options: BenchOptions): Promise<BenchResult> {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const heldCount = countOption(options, 'held', settings.held);
  const dir = findBundleDir(modelDirsOf(options.given.models));
  const bundle = await loadBundle(dir);
  const { space, sha256 } = bundle.supernet;
  const { header, rows } = await labelsFor(dir, options, settings.labels, settings.images);
  if (header.weightsSha256 !== sha256 || heldCount < 2 || heldCount >= rows.length) {
    const given = `${heldCount} of ${rows.length} labels of the weights ${header.weightsSha256}`;
    throw new BespokeError(
      'invalid-request',
      `2 labels or more and not all are held out, of the weights ${sha256}; given are ${given}`,
    );
  }
  const order = shuffled(rows, makeRng(options.seed).fork('held'));
  const held = order.slice(0, heldCount);
  const others = await onOtherImages(bundle, held, settings.otherImages);
  const other = others.map(({ top1 }) => top1);
  const reliability = reliabilityOf(
    others.map(({ halves }) => halves[0]),
    others.map(({ halves }) => halves[1]),
  );
  // The held-out ones' own labels: the fit of the expected ones sees label images alone.
  const expected = expectedTop1(order, encodeRows(space, order, space.resolutions)).subarray(0, heldCount);
  const measured = held.map(({ top1 }) => top1);
  const labels = { measured: worthOf(measured, other), expected: worthOf(expected, other) };
  const { sizes, members } = settings;
  const predictors = await predictorsOf(space, order.slice(heldCount), held, other, {
    ...{ sizes, members },
    seed: options.seed,
  });
  const images = Math.min(settings.otherImages, bundle.verification.count);
  return {
    settings: { ...settings, labels: rows.length, held: heldCount, otherImages: images, labelImages: header.images },
    figures: { labels, predictors, otherImagesReliability: reliability },
    lines: [
      `${heldCount} architectures held out, told by their top-1 on ${images} other images, of reliability ${reliability.toFixed(3)}:`,
      `one that knew each top-1 on all images of the kind would reach about tau ${tauCeiling(reliability).toFixed(2)}`,
      ...TARGETS.map((targets) => row(`their own labels, top-1 as ${targets}`, text(labels[targets]))),
      ...predictors.map((each) => row(`predictor of ${each.labels} labels, top-1 as ${each.targets}`, text(each))),
    ],
  };
}

await runBench({
  name: 'labels',
  options: {
    labels: 'label file of collect-accuracies, as it is, or made (none: new labels, not kept; about an hour)',
    held: `architectures held out (${SETTINGS.full.held}, quick ${SETTINGS.quick.held})`,
    data: 'folder of the images that the bundle was trained on',
    models: MODELS_OPTION,
  },
  run,
});
