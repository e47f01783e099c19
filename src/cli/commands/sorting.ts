import type { Command } from 'commander';
import { positiveNumber } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';

interface SortOptions extends CommandOptions {
  readonly supernet: string;
  readonly out: string;
  readonly trained?: readonly number[];
}

/** `supernet sort`: hidden channels in the order of their importance. */
export function addSupernetSort(supernet: Command): void {
  supernet
    .command('sort')
    .description('hidden channels by importance, so that narrower networks keep the important ones; another bundle')
    .requiredOption('--supernet <id>', 'id or folder of a bundle')
    .requiredOption('--out <dir>', 'folder of the sorted bundle')
    .option(
      '--trained <list>',
      'expand ratios that were trained so far, whose networks stay as they are (default: the largest)',
      (text) => text.split(',').map(positiveNumber),
    )
    .action(
      run<SortOptions>(async ({ terminal, config }, options) => {
        const { resolveBundle } = await import('../offline.js');
        const bundle = await resolveBundle(options.supernet, config.modelDirs);
        return (await import('../sorting.js')).sortCommand(terminal, bundle, options);
      }),
    );
}
