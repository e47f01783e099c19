import type { Command } from 'commander';
import { positiveInteger } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';
import type { TemplateCommand } from '../space-template.js';

/** `space list`, `space show` and `count`: search spaces and exact costs. */
export function addSpaces(program: Command): void {
  const space = program.command('space').description('search spaces');
  space
    .command('list')
    .description('the known spaces')
    .action(run(async ({ terminal, config }) => (await import('../spaces.js')).listSpaces(terminal, config.modelDirs)));
  space
    .command('show <space>')
    .description('elastic choices and the exact number of distinct sub-networks')
    .action(
      run(async ({ terminal, config }, _options, [id = '']) => {
        const { resolveSpace, showSpace } = await import('../spaces.js');
        return showSpace(terminal, await resolveSpace(id, config.modelDirs));
      }),
    );
  space
    .command('template')
    .description('a search space to start from, for images of a size')
    .option('--data <dir>', 'folder of labeled images: classes, channels and size are taken from it')
    .option('--classes <n>', 'number of classes', positiveInteger)
    .option('--channels <n>', '1 (grey) or 3 (RGB)', positiveInteger)
    .option('--size <n>', 'largest resolution, pixels (with --data: the usual side, at most 64)', positiveInteger)
    .option('--id <id>', 'id of the space')
    .option('-o, --out <file>', 'where it goes (default: standard output)')
    .action(
      run<TemplateCommand & CommandOptions>(async ({ terminal }, options) =>
        (await import('../space-template.js')).templateCommand(terminal, options),
      ),
    );
  program
    .command('count')
    .description('MACs, params, model bytes and peak memory of architectures')
    .requiredOption('--space <space>', 'id or JSON file of a search space')
    .requiredOption('--arch <file>', 'JSON of one architecture or an array; - reads standard input')
    .action(
      run<{ space: string; arch: string }>(async ({ terminal, config }, options) => {
        const { resolveSpace, countArchs } = await import('../spaces.js');
        return countArchs(terminal, await resolveSpace(options.space, config.modelDirs), options.arch);
      }),
    );
}
