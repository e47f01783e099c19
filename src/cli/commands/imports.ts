import type { Command } from 'commander';
import { CALIBRATION_IMAGES, integerList, positiveInteger, wholeNumber } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';

interface SupernetOptions extends CommandOptions {
  readonly space: string;
  readonly out: string;
  readonly id?: string;
  readonly title?: string;
  readonly classes?: string;
  readonly calibration?: string;
  readonly calibrationImages?: number;
}

const CALIBRATION = 'folder of images that sub-networks are calibrated on; they go into the bundle';

/** `supernet import`: published checkpoints in. */
export function addSupernetImport(supernet: Command): void {
  supernet
    .command('import <file>')
    .description('a published PyTorch checkpoint becomes a bundle')
    .requiredOption('--space <space>', 'id or JSON file of the search space that it is a supernet of')
    .requiredOption('--out <dir>', 'folder of the bundle')
    .option('--id <id>', "the supernet's id (default: the folder's name)")
    .option('--title <text>', 'what people read')
    .option('--classes <file>', 'names of the classes, one a line (default: numbers)')
    .option('--calibration <dir>', CALIBRATION)
    .option('--calibration-images <n>', CALIBRATION_IMAGES, positiveInteger)
    .action(
      run<SupernetOptions>(async ({ terminal, config }, options, [file = '']) =>
        (await import('../imports.js')).importSupernetCommand(terminal, config.modelDirs, { ...options, file }),
      ),
    );
}

/** `supernet list`: what is there, and what is refused. */
export function addSupernetList(supernet: Command): void {
  supernet
    .command('list')
    .description('every supernet of the model folders (or of --server), and the refused ones with the reason')
    .option('--verify', 'read every byte, and compare it with what was written')
    .action(
      run<CommandOptions & { readonly verify?: boolean }>(async ({ terminal, config }, options) =>
        (await import('../supernet-list.js')).listSupernets(terminal, config, options),
      ),
    );
}

/** `supernet init`: random weights. */
export function addSupernetInit(supernet: Command): void {
  supernet
    .command('init')
    .description('a supernet of random weights becomes a bundle: a search space can be tried before it is trained')
    .requiredOption('--space <space>', 'id or JSON file of the search space')
    .requiredOption('--out <dir>', 'folder of the bundle')
    .option('--seed <n>', 'which weights: the same seed gives the same bytes', wholeNumber, 1)
    .option('--id <id>', "the supernet's id (default: the folder's name)")
    .option('--title <text>', 'what people read')
    .option('--classes <file>', 'names of the classes, one a line (default: numbers)')
    .option('--calibration <dir>', CALIBRATION)
    .option('--calibration-images <n>', CALIBRATION_IMAGES, positiveInteger)
    .action(
      run<SupernetOptions & { readonly seed: number }>(async ({ terminal, config }, options) =>
        (await import('../random-supernet.js')).initSupernetCommand(terminal, config.modelDirs, options),
      ),
    );
}

interface PredictorOptions extends CommandOptions {
  readonly space: string;
  readonly out: string;
  readonly resolutions?: readonly number[];
}

/** `predictor import`: published accuracy predictors in. */
export function addPredictorImport(predictor: Command): void {
  predictor
    .command('import <file>')
    .description('a published accuracy predictor (.pth) becomes one of ours')
    .requiredOption('--space <space>', 'id or JSON file of the search space that it predicts for')
    .requiredOption('--out <dir>', 'folder of predictor.json; a bundle gets it as its own')
    .option('--resolutions <list>', 'for files of ofa.nas: the resolutions of its first inputs, in order', integerList)
    .action(
      run<PredictorOptions>(async ({ terminal, config }, options, [file = '']) =>
        (await import('../imports.js')).importPredictorCommand(terminal, config.modelDirs, { ...options, file }),
      ),
    );
}
