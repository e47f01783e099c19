/**
 * What labels are worth: how well they, and predictors trained on them, tell what held-out architectures reach on other images, the bundle's verification
 * images, which no label was measured on. Top-1 as measured on the label images beside top-1 as expected by way of soft top-1, predictors of both
 * at growing numbers of labels. An error is taken after the mean difference: one set of images is harder than another for all.
 *
 *   npm run bench:labels -- [--labels FILE] [--held N] [--data DIR] [--models DIR] [--seed N] [--quick] [--json]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kendallTau, pearson } from '../src/common/rank-correlation.js';
import { makeRng, shuffled } from '../src/common/rng.js';
import { DEBIAN_FASHION_MNIST_DIR } from '../src/data/fashion-mnist.js';
import { tauCeiling } from '../src/predictors/quality.js';
import { encodeArchs, encodingLength } from '../src/space/encoding.js';
import { loadBundle } from '../src/supernet/bundle.js';
import type { Bundle } from '../src/supernet/types.js';
import { collectAccuracies } from '../src/train/predictor/collect.js';
import { expectedTop1 } from '../src/train/predictor/expected-top1.js';
import { type ArchLabel, makeLabeler } from '../src/train/predictor/label.js';
import { type LabelFile, type LabelRow, readLabels } from '../src/train/predictor/label-file.js';
import { predictTop1, trainEnsemble } from '../src/train/predictor/train.js';
import {
  type BenchOptions,
  type BenchResult,
  countOption,
  findBundleDir,
  MODELS_OPTION,
  modelDirsOf,
  note,
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
  const differences = other.map((top1, i) => figures[i]! - top1);
  const level = mean(differences);
  const rmse = Math.sqrt(mean(differences.map((difference) => (difference - level) ** 2)));
  return { kendallTau: kendallTau(figures, other), rmsePoints: 100 * rmse };
}

/** The file's labels, or new ones. */
async function labelsFor(bundleDir: string, options: BenchOptions, count: number, images: number): Promise<LabelFile> {
  const { labels, data = DEBIAN_FASHION_MNIST_DIR } = options.given;
  const folder = labels === undefined ? mkdtempSync(join(tmpdir(), 'bench-labels-')) : undefined;
  const outFile = labels ?? join(folder!, 'labels.jsonl');
  try {
    const onProgress = ({ done, total, note: left }: { done: number; total: number; note?: string }): void => {
      if (done % 100 === 0 || done === total) note(`${done} of ${total} labeled, ${left}`);
    };
    await collectAccuracies({
      ...{ bundleDir, dataDir: data, outFile, count, images, workers: 2, seed: 1 },
      onProgress,
    });
    return await readLabels(outFile);
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
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

async function run(options: BenchOptions): Promise<BenchResult> {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const heldCount = countOption(options, 'held', settings.held);
  const dir = findBundleDir(modelDirsOf(options.given.models));
  const bundle = await loadBundle(dir);
  const { space } = bundle.supernet;
  const { rows } = await labelsFor(dir, options, settings.labels, settings.images);
  const order = shuffled(rows, makeRng(options.seed).fork('held'));
  const held = order.slice(0, heldCount);
  const train = order.slice(heldCount);
  const others = await onOtherImages(bundle, held, settings.otherImages);
  const other = others.map(({ top1 }) => top1);
  const r = pearson(
    others.map(({ halves }) => halves[0]),
    others.map(({ halves }) => halves[1]),
  );
  const reliability = (2 * r) / (1 + r);

  const resolutions = space.resolutions;
  const encodingOf = (list: readonly LabelRow[]): Float32Array =>
    encodeArchs(
      space,
      list.map(({ arch }) => arch),
      undefined,
      resolutions,
    );
  // The held-out ones' own labels; the fit of the expected ones sees label images alone.
  const expected = expectedTop1(order, encodingOf(order)).subarray(0, heldCount);
  const labels = {
    measured: worthOf(
      held.map(({ top1 }) => top1),
      other,
    ),
    expected: worthOf(expected, other),
  };
  const sizes = [...new Set(settings.sizes.map((size) => Math.min(size, train.length)))];
  const inputs = encodingOf(held);
  const predictors: (Worth & { readonly labels: number; readonly targets: (typeof TARGETS)[number] })[] = [];
  for (const size of sizes) {
    for (const targets of TARGETS) {
      const training = { seed: options.seed, targets, mlp: { members: settings.members } };
      const ensemble = await trainEnsemble(space, train.slice(0, size), resolutions, training);
      const predicted = await predictTop1(ensemble, inputs, encodingLength(space, resolutions));
      predictors.push({ labels: size, targets, ...worthOf(predicted, other) });
      note(`predictor of ${size} labels, ${targets}`);
    }
  }
  const text = ({ kendallTau: tau, rmsePoints }: Worth): string =>
    `tau ${tau.toFixed(3)}, error ${rmsePoints.toFixed(3)} points`;
  return {
    settings: { ...settings, held: heldCount, labels: rows.length, otherImages: settings.otherImages },
    figures: { labels, predictors, otherImagesReliability: reliability },
    lines: [
      `${held.length} architectures held out, told by their top-1 on ${settings.otherImages} other images (reliability ${reliability.toFixed(3)}:`,
      `one that knew each top-1 on all images of the kind would reach about tau ${tauCeiling(reliability).toFixed(2)})`,
      ...TARGETS.map((targets) => row(`their own labels, top-1 as ${targets}`, text(labels[targets]))),
      ...predictors.map((each) => row(`predictor of ${each.labels} labels, top-1 as ${each.targets}`, text(each))),
    ],
  };
}

await runBench({
  name: 'labels',
  options: {
    labels: 'label file of collect-accuracies, made or gone on with (new labels, not kept: some 40 minutes)',
    held: `architectures held out (${SETTINGS.full.held}, quick ${SETTINGS.quick.held})`,
    data: 'folder of the images that the bundle was trained on',
    models: MODELS_OPTION,
  },
  run,
});
