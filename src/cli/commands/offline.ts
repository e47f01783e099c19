import type { Command } from 'commander';
import { BespokeError } from '../../common/errors.js';
import { CALIBRATION_IMAGES, positiveInteger } from '../arguments.js';
import { type ExportFlags, exportOf, withExportFlags } from '../export-flags.js';
import { type CommandOptions, run } from '../invoke.js';
import { constraintsOf, type SearchFlags, searchOf, withSearch } from '../limits.js';

interface ExtractOptions extends CommandOptions, ExportFlags {
  readonly supernet: string;
  readonly arch: string;
  readonly out: string;
  readonly calibrate?: string;
  readonly calibrationImages?: number;
}

/** `extract`, `search` and `evaluate`: parts of the main job that need no database. */
export function addOffline(program: Command): void {
  const extract = program
    .command('extract')
    .description('one sub-network as ONNX, no search')
    .requiredOption('--supernet <id>', 'id or folder of a bundle')
    .requiredOption('--arch <file>', 'JSON of the architecture; - reads standard input')
    .option('-o, --out <file>', 'where the model goes', 'model.onnx')
    .option('--calibrate <dir>', "folder of images to calibrate with (default: the bundle's own)")
    .option('--calibration-images <n>', CALIBRATION_IMAGES, positiveInteger);
  withExportFlags(extract).action(
    run<ExtractOptions>(async ({ terminal, config }, options) => {
      const exported = exportOf(options);
      const { extractCommand, resolveBundle } = await import('../offline.js');
      const bundle = await resolveBundle(options.supernet, config.modelDirs);
      return extractCommand(terminal, bundle, { ...options, archFile: options.arch, exported });
    }),
  );
  withSearch(program.command('search').description('a search alone: the best architecture and the front'))
    .requiredOption('--space <space>', 'id or JSON file of a search space')
    .requiredOption('--predictor <dir>', 'folder of predictor.json, or a published .pth')
    .option(
      '--hardware <id>',
      'hardware id with a kept profile, or a profile.json (default: this machine, where a latency is asked for)',
    )
    .action(
      run<SearchFlags & { space: string; predictor: string; hardware?: string }>(
        async ({ terminal, config }, options) => {
          const { searchCommand } = await import('../offline.js');
          const { resolveSpace } = await import('../spaces.js');
          const space = await resolveSpace(options.space, config.modelDirs);
          const request = {
            supernetId: space.id,
            hardwareId: options.hardware ?? 'local-cpu',
            constraints: constraintsOf(options),
            objective: options.objective ?? 'accuracy',
            ...(options.resolutions === undefined ? {} : { resolutions: options.resolutions }),
            seed: options.seed,
            search: searchOf(options),
            verify: { latency: 'skip' as const },
            labels: {},
          };
          const { predictor, hardware } = options;
          return searchCommand(terminal, { space, predictor, hardware, dataDir: config.dataDir, request });
        },
      ),
    );
  program
    .command('evaluate <model>')
    .description('top-1 of an ONNX model on labeled images')
    .option('--data <dir>', 'folder of labeled images, docs/own-data.md')
    .option('--split <split>', 'train or test', 'test')
    .action(
      run<{ data?: string; split: string }>(async ({ terminal }, { data, split }, [model = '']) => {
        if (split !== 'train' && split !== 'test') {
          throw new BespokeError('invalid-request', `--split is train or test, got "${split}"`);
        }
        return (await import('../offline.js')).evaluateCommand(terminal, { model, data, split });
      }),
    );
}
