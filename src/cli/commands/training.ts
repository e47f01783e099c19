import { join } from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../../config.js';
import { runWithAllocator } from '../allocator.js';
import { fraction, positiveInteger, positiveNumber, repeated, share, wholeNumber } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';
import type { TrainOptions } from '../train.js';

const DEFAULT_RECIPE = join(PACKAGE_ROOT, 'scripts', 'recipes', 'sandwich.json');

/** `train`: the offline side. */
export function addTraining(program: Command): void {
  program
    .command('train')
    .description('train a supernet (docs/training.md)')
    .requiredOption('--out <dir>', 'folder of checkpoints, log.jsonl and supernet.safetensors; in the end a bundle')
    .option('--recipe <file>', 'how to train', DEFAULT_RECIPE)
    .option('--space <file>', 'what to train (default: made for the images)')
    .option('--data <dir>', 'folder of labeled images, docs/own-data.md (default: Fashion-MNIST as Debian has it)')
    .option('--held-out <share>', 'share of every class that is not trained on (default: 0.2)', share)
    .option('--split-seed <n>', 'which images are held out', wholeNumber)
    .option(
      '--max-corrupt <share>',
      'share of image files that may be damaged (default: 0.01, and always 10)',
      fraction,
    )
    .option('--download <url>', 'fetch the four files from this base URL into --data, and check their hashes')
    .option('--from <path>', "start from these weights: another run's folder, a bundle or a safetensors file")
    .option(
      '--teacher <file>',
      'ONNX network that teaches in the phases with a frozen teacher; give it again for an ensemble (default: the largest)',
      repeated,
      [] as readonly string[],
    )
    .option(
      '--front <file>',
      'architectures that the phases with a frontShare draw from: what "bespoke search --json" printed, or a JSON list; give it again for more',
      repeated,
      [] as readonly string[],
    )
    .option('--images <n>', 'scale the recipe to so many images in all', positiveInteger)
    .option('--epochs <n>', 'scale the recipe to so many passes over the training images', positiveNumber)
    .option('--workers <n>', 'threads, each with its own part of every batch', positiveInteger, 2)
    .option('--seed <n>', 'seed of weights, batches and sampled sub-networks', wholeNumber, 1)
    .option('--lowering <kind>', 'auto, standard, nchwc8 or nchwc16: operators of the step graphs', 'auto')
    .option(
      '--execution-provider <name>',
      'what ONNX Runtime runs training on, such as cuda; give it again for the next choice (default: cpu)',
      repeated,
      [] as readonly string[],
    )
    .option('--minutes <m>', 'stop, resumably, after so much time', positiveNumber)
    .option('--resume', 'go on from the newest whole checkpoint, or start if there is none')
    .action(
      run<TrainOptions & CommandOptions>(
        async ({ terminal }, options) =>
          (await runWithAllocator()) ?? (await import('../train.js')).trainCommand(terminal, options),
      ),
    );
}
