import type { Command } from 'commander';
import { integerList } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';

interface SupernetOptions extends CommandOptions {
  readonly space: string;
  readonly out: string;
  readonly id?: string;
  readonly title?: string;
  readonly classes?: string;
}

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
    .action(
      run<SupernetOptions>(async ({ terminal, config }, options, [file = '']) =>
        (await import('../imports.js')).importSupernetCommand(terminal, config.modelDirs, { ...options, file }),
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
