import type { Command } from 'commander';
import { run } from '../invoke.js';

/** `hardware list`, `show` and `profile`: latency models of machines, kept in the data folder. */
export function addHardware(program: Command): void {
  const hardware = program.command('hardware').description('hardware types and their latency models');
  hardware
    .command('list')
    .description('hardware types with a kept profile')
    .action(
      run(async ({ terminal, config }) => (await import('../hardware.js')).listHardware(terminal, config.dataDir)),
    );
  hardware
    .command('show <id>')
    .description('one hardware type')
    .action(
      run(async ({ terminal, config }, _options, [id = '']) =>
        (await import('../hardware.js')).showHardware(terminal, config.dataDir, id),
      ),
    );
  hardware
    .command('profile')
    .description('measure this machine (under 30 s)')
    .option('--space <space>', 'id or JSON file of a search space', 'fashion-mnist')
    .option('--id <id>', 'id of the hardware type', 'local-cpu')
    .option('--out <file>', 'write the profile there instead of keeping it')
    .action(
      run<{ space: string; id: string; out?: string }>(async ({ terminal, config }, { space, id, out }) => {
        const { profileCommand } = await import('../hardware.js');
        const { resolveSpace } = await import('../spaces.js');
        const resolved = await resolveSpace(space, config.modelDirs);
        return profileCommand(terminal, { space: resolved, dataDir: config.dataDir, id, out });
      }),
    );
}
