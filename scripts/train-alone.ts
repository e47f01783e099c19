/**
 * Trains one architecture from scratch, by itself: `npx tsx scripts/train-alone.ts --supernet fashion-mnist --arch arch.json --out runs/alone`.
 * Data, splits, calibration and input are the bundle's; of its weights nothing is used. Writes model.onnx and result.json when it is finished.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { needsArenas, withAllocator } from '../src/cli/allocator.js';
import { positiveInteger, positiveNumber, wholeNumber } from '../src/cli/arguments.js';
import { readArch } from '../src/cli/finetune-arch.js';
import { resolveBundle } from '../src/cli/offline.js';
import { BespokeError } from '../src/common/errors.js';
import { sha256 } from '../src/common/hash.js';
import { readConfig } from '../src/config.js';
import { findFashionMnist } from '../src/data/fashion-mnist.js';
import { openImages } from '../src/data/open-images.js';
import { measureTop1 } from '../src/evaluate/top1.js';
import { chooseLowering } from '../src/train/choose-lowering.js';
import { progressPrinter } from '../src/train/progress-line.js';
import { parseRecipe, scaleRecipe } from '../src/train/recipe.js';
import { readBundleTrainingData } from '../src/train/single-net-data.js';
import { trainAlone } from './one-training/alone.js';

interface Options {
  readonly supernet: string;
  readonly arch: string;
  readonly out: string;
  readonly recipe: string;
  readonly data?: string;
  readonly images?: number;
  readonly minutes?: number;
  readonly resume?: boolean;
  readonly seed: number;
  readonly workers: number;
  readonly lowering: string;
}

async function main(options: Options): Promise<void> {
  const { out, seed, workers, resume = false, minutes, images } = options;
  const bundle = await resolveBundle(options.supernet, readConfig(process.env).modelDirs);
  const { space } = bundle.supernet;
  const arch = await readArch(bundle, options.arch);
  const read = parseRecipe(readFileSync(options.recipe, 'utf8'), options.recipe, space);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(signal));
  const source = await openImages(options.data ?? findFashionMnist([]), space.classes);
  const { outcome, delivery } = await trainAlone(
    bundle,
    { space, arch },
    {
      ...{ recipe: images === undefined ? read : scaleRecipe(read, images), dir: out, seed, workers, resume },
      data: await readBundleTrainingData(bundle, source),
      lowering: await chooseLowering(options.lowering),
      memoryArena: needsArenas(),
      maxMs: minutes === undefined ? undefined : minutes * 60_000,
      signal: stop.signal,
      onEvent: progressPrinter((text) => process.stderr.write(text), process.stderr.isTTY === true, 30_000),
    },
  );
  if (delivery === undefined) return;
  const { extracted, costs } = delivery;
  const { top1 } = await measureTop1(extracted.model, bundle.verification, { threads: 1 });
  writeFileSync(join(out, 'model.onnx'), extracted.model);
  const figures = { macs: costs.macs, params: costs.params, cpuSeconds: outcome.cpuSeconds, steps: outcome.steps };
  const result = { arch, verificationTop1: top1, images: bundle.verification.count, ...figures, seed };
  writeFileSync(
    join(out, 'result.json'),
    `${JSON.stringify({ ...result, modelSha256: sha256(extracted.model) }, undefined, 2)}\n`,
  );
  console.log(
    `${join(out, 'model.onnx')}: top-1 ${(top1 * 100).toFixed(2)} % on ${bundle.verification.count} verification images`,
  );
}

const program = new Command('train-alone')
  .requiredOption('--supernet <id>', 'bundle whose space, data and calibration are used')
  .requiredOption('--arch <file>', 'JSON of the architecture, a report, or a delivered .onnx; - reads standard input')
  .requiredOption('--out <dir>', 'folder of checkpoints, log and result')
  .option('--recipe <file>', 'how to train', 'scripts/recipes/alone.json')
  .option('--data <dir>', 'folder of the images that the supernet was trained on (default: Fashion-MNIST)')
  .option('--images <n>', 'scale the recipe to so many images', positiveInteger)
  .option('--minutes <m>', 'stop, resumably, after so much time', positiveNumber)
  .option('--resume', 'go on from the newest whole checkpoint')
  .option('--seed <n>', 'seed of weights and batches', wholeNumber, 1)
  .option('--workers <n>', 'training threads', positiveInteger, 2)
  .option('--lowering <kind>', 'auto, standard, nchwc8 or nchwc16', 'auto')
  .action((options: Options) => withAllocator(() => main(options)));
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof BespokeError)) throw error;
  console.error(error.message);
  process.exitCode = 3;
}
