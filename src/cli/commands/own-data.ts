import type { Command } from 'commander';
import { fraction, positiveInteger, share, wholeNumber } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';
import type { CollectCommand } from '../predictors.js';
import { addPredictorImport } from './imports.js';

type PredictorOptions = CollectCommand & CommandOptions & { readonly supernet: string };

/** Options of both predictor commands. */
function withLabels(command: Command): Command {
  return command
    .requiredOption('--supernet <id>', 'id or folder of a bundle')
    .option('--labels <file>', 'label file, made or gone on with (default: labels.jsonl in the bundle)')
    .option('--archs <n>', 'sub-networks to measure in all', positiveInteger, 2500)
    .option(
      '--images <n>',
      'images that each is measured on, at most (default: the selection part, at most 3000)',
      positiveInteger,
    )
    .option('--workers <n>', 'processes that measure, one thread each', positiveInteger, 2)
    .option('--seed <n>', 'which sub-networks; start of the weights', wholeNumber, 1);
}

function addPredictor(program: Command): void {
  const predictor = program.command('predictor').description('accuracy predictors of a bundle');
  addPredictorImport(predictor);
  withLabels(predictor.command('collect'))
    .description('measure sub-networks on the selection images')
    .option('--data <dir>', 'the images that the supernet was trained on (default: Fashion-MNIST as Debian has it)')
    .action(
      run<PredictorOptions>(async ({ terminal, config }, options) => {
        const { resolveBundle } = await import('../offline.js');
        const { collectCommand } = await import('../predictors.js');
        return collectCommand(terminal, await resolveBundle(options.supernet, config.modelDirs), options);
      }),
    );
  withLabels(predictor.command('train'))
    .description('train the predictor and add it to the bundle')
    .option(
      '--data <dir>',
      'the images that the supernet was trained on: sub-networks that lack a label are measured first',
    )
    .action(
      run<PredictorOptions>(async ({ terminal, config }, options) => {
        const { resolveBundle } = await import('../offline.js');
        const { trainPredictorCommand } = await import('../predictors.js');
        return trainPredictorCommand(terminal, await resolveBundle(options.supernet, config.modelDirs), options);
      }),
    );
}

/** `dataset`, `bundle` and `predictor`: from a folder of images to what is served, around `train`. */
export function addOwnData(program: Command): void {
  program
    .command('dataset <dir>')
    .description('what a folder of labeled images holds, and how it would be split')
    .option('--held-out <share>', 'share of every class that is not trained on (default: 0.2)', share)
    .option('--split-seed <n>', 'which images are held out', wholeNumber)
    .option('--read', 'read every image too, and name those that cannot be read')
    .option(
      '--max-corrupt <share>',
      'share of image files that may be damaged (default: 0.01, and always 10)',
      fraction,
    )
    .action(
      run<CommandOptions & { heldOut?: number; splitSeed?: number; maxCorrupt?: number; read?: boolean }>(
        async ({ terminal }, options, [dir = '']) =>
          (await import('../dataset.js')).datasetCommand(terminal, dir, options),
      ),
    );
  program
    .command('bundle')
    .description('bundles: what is served')
    .command('make')
    .description('make the bundle of a finished training run')
    .requiredOption('--run <dir>', 'the --out folder of bespoke train')
    .requiredOption('--out <dir>', 'folder of the bundle')
    .option('--data <dir>', 'the images that it was trained on (default: Fashion-MNIST as Debian has it)')
    .option('--id <id>', "the supernet's id (default: the folder's name)")
    .option('--title <text>', 'what people read')
    .action(
      run<CommandOptions & { run: string; out: string; data?: string; id?: string; title?: string }>(
        async ({ terminal }, options) => (await import('../bundles.js')).makeBundleCommand(terminal, options),
      ),
    );
  addPredictor(program);
}
