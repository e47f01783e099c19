import { join } from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../../config.js';
import { positiveInteger, positiveNumber, wholeNumber } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';
import type { TrainOptions } from '../train.js';

const DEFAULT_RECIPE = join(PACKAGE_ROOT, 'scripts', 'recipes', 'sandwich.json');
const DEFAULT_SPACE = join(PACKAGE_ROOT, 'models', 'fashion-mnist', 'space.json');

/** `train`: the offline side. */
export function addTraining(program: Command): void {
  program
    .command('train')
    .description('train a supernet (docs/training.md)')
    .requiredOption('--out <dir>', 'folder of checkpoints, log.jsonl and supernet.safetensors')
    .option('--recipe <file>', 'how to train', DEFAULT_RECIPE)
    .option('--space <file>', 'what to train', DEFAULT_SPACE)
    .option('--data <dir>', 'folder of Fashion-MNIST (default: the Debian package)')
    .option('--download <url>', 'fetch the four files from this base URL into --data, and check their hashes')
    .option('--images <n>', 'scale the recipe to so many images in all', positiveInteger)
    .option('--workers <n>', 'threads, each with its own part of every batch', positiveInteger, 2)
    .option('--seed <n>', 'seed of weights, batches and sampled sub-networks', wholeNumber, 1)
    .option('--lowering <kind>', 'auto, standard, nchwc8 or nchwc16: operators of the step graphs', 'auto')
    .option('--minutes <m>', 'stop, resumably, after so much time', positiveNumber)
    .option('--resume', 'go on from the newest whole checkpoint, or start if there is none')
    .action(
      run<TrainOptions & CommandOptions>(async (_invocation, options) =>
        (await import('../train.js')).trainCommand(options),
      ),
    );
}
