/**
 * Recipes compared at equal images: each trains the same space from the same seed for as many images, and what comes out is measured alike.
 *
 *   npm run bench:recipes -- --recipes scripts/recipes/sandwich.json,scripts/recipes/progressive-shrinking.json --images 220000 --out runs/recipes
 *
 * Accuracy is on the held-out selection images with calibrated batch norm, as a delivered network has it; the test images decide nothing and are not read.
 * A run that was stopped goes on when the same command is given again.
 */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { needsArenas } from '../src/cli/allocator.js';
import { makeRng } from '../src/common/rng.js';
import { findFashionMnist } from '../src/data/fashion-mnist.js';
import { openImages } from '../src/data/open-images.js';
import { canonicalArch, maxArch, minArch } from '../src/space/arch.js';
import { archCosts } from '../src/space/costs.js';
import { parseSpace } from '../src/space/parse-space.js';
import { sampleArch } from '../src/space/sample.js';
import type { Arch, SearchSpace } from '../src/space/types.js';
import { loadBundle } from '../src/supernet/bundle.js';
import { chooseLowering } from '../src/train/choose-lowering.js';
import { makeBundle } from '../src/train/make-bundle.js';
import { makeLabeler } from '../src/train/predictor/label.js';
import { progressPrinter } from '../src/train/progress-line.js';
import { parseRecipe, type Recipe, scaleRecipe } from '../src/train/recipe.js';
import { trainSupernet } from '../src/train/run.js';
import { type ReadTrainingData, readTrainingData } from '../src/train/training-data.js';
import { type BenchOptions, type BenchResult, countOption, openDataDir, row, runBench } from './harness.js';

const RECIPES =
  'scripts/recipes/sandwich.json,scripts/recipes/sandwich-sgd.json,scripts/recipes/sandwich-half.json,scripts/recipes/progressive-shrinking.json,scripts/recipes/naive.json';
const SPACE = 'models/fashion-mnist/space.json';
const SETTINGS = { full: { images: 220_000, archs: 12 }, quick: { images: 2_000, archs: 1 } } as const;
const CALIBRATION_IMAGES = 1_000;
const CALIBRATION_BATCH = 50;
const QUIET_MS = 60_000;

interface Entry {
  readonly name: string;
  readonly arch: Arch;
  readonly macs: number;
}

/** The extremes of a space, and random architectures in order of their multiply-accumulates. */
function entriesOf(space: SearchSpace, count: number, seed: number): readonly Entry[] {
  const rng = makeRng(seed).fork('compared');
  const entry = (name: string, arch: Arch): Entry => ({ name, arch, macs: archCosts(space, arch).macs });
  const random = Array.from({ length: count }, (_, i) => canonicalArch(space, sampleArch(space, rng.fork(i))));
  const sorted = random.map((arch) => entry('random', arch)).sort((a, b) => a.macs - b.macs);
  return [entry('smallest', minArch(space)), ...sorted, entry('largest', maxArch(space))];
}

interface Compared {
  readonly recipe: string;
  /** Held-out top-1, 0..1, in the entries' order. */
  readonly top1: readonly number[];
  /** Processor time of training, all threads, s; what this process spent: less than all of it if the run was begun by another. */
  readonly cpuSeconds: number;
}

interface Setting {
  readonly space: SearchSpace;
  readonly source: Awaited<ReturnType<typeof openImages>>;
  readonly read: ReadTrainingData;
  readonly entries: readonly Entry[];
  readonly seed: number;
  readonly workers: number;
}

async function train(setting: Setting, recipe: Recipe, dir: string): Promise<number> {
  const { space, read, seed, workers } = setting;
  const before = process.cpuUsage();
  await trainSupernet({
    ...{ space, recipe, data: read.data, dir, seed, workers, resume: true, lowering: await chooseLowering('auto') },
    memoryArena: needsArenas(),
    onEvent: progressPrinter((text) => process.stderr.write(text), false, QUIET_MS),
  });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function compare(setting: Setting, recipe: Recipe, dir: string): Promise<Compared> {
  const { space, source, read, entries } = setting;
  const cpuSeconds = await train(setting, recipe, dir);
  const outDir = join(dir, 'bundle');
  const weightsPath = join(dir, 'supernet.safetensors');
  await makeBundle({ id: 'compared', title: recipe.name, space, weightsPath, source, record: read.record, outDir });
  const labeler = makeLabeler({
    bundle: await loadBundle(outDir),
    images: read.data.images,
    indices: read.data.selection,
    calibrationImages: CALIBRATION_IMAGES,
    calibrationBatch: CALIBRATION_BATCH,
  });
  const top1: number[] = [];
  for (const { arch } of entries) top1.push((await labeler.label(arch)).top1);
  return { recipe: recipe.name, top1, cpuSeconds };
}

const percent = (value: number): string => (100 * value).toFixed(2);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function table(entries: readonly Entry[], compared: readonly Compared[]): string[] {
  const heading = row('held-out top-1, %', compared.map(({ recipe }) => recipe.padStart(24)).join(''));
  const line = (label: string, of: (one: Compared) => string): string =>
    row(label, compared.map((one) => of(one).padStart(24)).join(''));
  const isRandom = entries.map(({ name }) => name === 'random');
  return [
    heading,
    ...entries.map(({ name, macs }, i) =>
      line(`${name}, ${(macs / 1e6).toFixed(2)} M MACs`, ({ top1 }) => percent(top1[i]!)),
    ),
    line('mean of the random ones', ({ top1 }) => percent(mean(top1.filter((_, i) => isRandom[i])))),
    line('training, CPU minutes', ({ cpuSeconds }) => (cpuSeconds / 60).toFixed(1)),
  ];
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const images = countOption(options, 'images', settings.images);
  const workers = countOption(options, 'workers', 2);
  const spacePath = options.given.space ?? SPACE;
  const space = parseSpace(JSON.parse(readFileSync(spacePath, 'utf8')), spacePath);
  const source = await openImages(options.given.data ?? findFashionMnist([]), space.classes);
  const read = await readTrainingData(source, space);
  const entries = entriesOf(space, countOption(options, 'archs', settings.archs), options.seed);
  const setting = { space, source, read, entries, seed: options.seed, workers };
  const paths = (options.given.recipes ?? RECIPES).split(',');
  const recipes = paths.map((path) => scaleRecipe(parseRecipe(readFileSync(path, 'utf8'), path, space), images));
  const { dir, remove } = openDataDir(options.given.out);
  try {
    const compared: Compared[] = [];
    for (const [i, recipe] of recipes.entries()) {
      compared.push(await compare(setting, recipe, resolve(dir, basename(paths[i]!, '.json'))));
    }
    return {
      settings: { images, workers, space: space.id, calibrationImages: CALIBRATION_IMAGES, recipes: paths },
      figures: { entries: entries.map(({ name, macs }) => ({ name, macs })), compared },
      lines: table(entries, compared),
    };
  } finally {
    remove();
  }
}

await runBench({
  name: 'recipes',
  options: {
    recipes: `recipe files, with commas between (${RECIPES})`,
    space: `file of the search space (${SPACE})`,
    data: 'folder of labeled images (Fashion-MNIST as Debian has it)',
    images: `images that every recipe is scaled to (${SETTINGS.full.images}, quick ${SETTINGS.quick.images})`,
    archs: `random architectures that are measured (${SETTINGS.full.archs}, quick ${SETTINGS.quick.archs})`,
    workers: 'threads (2)',
    out: 'folder that keeps the runs, to go on with (a temporary one)',
  },
  run,
});
