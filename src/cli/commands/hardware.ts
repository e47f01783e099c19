import type { Command } from 'commander';
import { positiveInteger } from '../arguments.js';
import { type CommandOptions, run } from '../invoke.js';

interface ImportOptions extends CommandOptions {
  readonly id: string;
  readonly out?: string;
  readonly resolution?: number;
  readonly space?: string;
  readonly name?: string;
  readonly device?: string;
  readonly runtime?: string;
  readonly threads: number;
  readonly batch: number;
}

/** `hardware list`, `show`, `profile` and `import`: latency models of machines, kept in the data folder. */
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
  addHardwareImport(hardware);
}

function addHardwareImport(hardware: Command): void {
  hardware
    .command('import <files...>')
    .description('latency lookup tables in the published format, one per resolution, become a hardware type')
    .requiredOption('--id <id>', 'id of the hardware type')
    .option('--out <file>', 'write the profile there instead of keeping it')
    .option(
      '--resolution <pixels>',
      'of a single file whose name does not say it (224_lookup_table.yaml does)',
      positiveInteger,
    )
    .option('--space <space>', 'id or JSON file of the search space (default: the known one that the keys fit)')
    .option('--name <text>', 'what people read (default: the id)')
    .option('--device <text>', 'the device that the tables were measured on (default: the id)')
    .option('--runtime <text>', 'what ran on it (default: not stated)')
    .option('--threads <n>', 'threads it ran on; the tables do not say', positiveInteger, 1)
    .option('--batch <n>', 'images at once; the tables do not say', positiveInteger, 1)
    .action(
      run<ImportOptions>(async ({ terminal, config }, options, files) =>
        (await import('../hardware-import.js')).importHardwareCommand(terminal, config, { ...options, files }),
      ),
    );
}
