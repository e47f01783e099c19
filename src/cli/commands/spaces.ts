import type { Command } from 'commander';
import { run } from '../invoke.js';

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
