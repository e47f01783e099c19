import type { Command } from 'commander';
import {
  CALIBRATION_IMAGES,
  fraction,
  jobEvaluationCount,
  jobSeconds,
  label,
  positiveInteger,
  positiveNumber,
} from '../arguments.js';
import { type ExportFlags, exportOf, withExportFlags } from '../export-flags.js';
import { run } from '../invoke.js';
import {
  constraintsOf,
  type LimitOptions,
  requireLimit,
  type SearchFlags,
  searchOf,
  withLimits,
  withSearch,
} from '../limits.js';

interface SpecializeOptions extends SearchFlags, ExportFlags {
  readonly supernet?: string;
  readonly hardware?: string;
  readonly label?: Record<string, string>;
  readonly skipLatency?: boolean;
  readonly fresh?: boolean;
  readonly warmStart?: boolean;
  readonly out: string;
  readonly report?: string;
  readonly calibration?: string;
  readonly calibrationImages?: number;
}

const specialize = run<SpecializeOptions>(async ({ terminal, config }, options) => {
  requireLimit('specialize', options, [['--objective', options.objective]]);
  const { withServer } = await import('../connect.js');
  const { refuseUnknown } = await import('../known.js');
  const { specializeCommand } = await import('../jobs.js');
  const exported = exportOf(options);
  const body = {
    constraints: constraintsOf(options),
    seed: options.seed,
    ...(options.objective === undefined ? {} : { objective: options.objective }),
    search: {
      ...searchOf(options),
      ...(options.fresh === true ? { fresh: true } : {}),
      ...(options.warmStart === true ? { warmStart: true } : {}),
    },
    ...(options.supernet === undefined ? {} : { supernetId: options.supernet }),
    ...(options.hardware === undefined ? {} : { hardwareId: options.hardware }),
    ...(options.label === undefined ? {} : { labels: options.label }),
    ...(options.resolutions === undefined ? {} : { resolutions: options.resolutions }),
    ...(options.skipLatency === true ? { verify: { latency: 'skip' as const } } : {}),
    ...(exported === undefined ? {} : { export: exported }),
  };
  const outputs = { model: options.out, report: options.report };
  await refuseUnknown(config, options);
  if (options.calibration !== undefined)
    await (await import('../calibrate-first.js')).calibrateFirst(terminal, config, options);
  return withServer(config, terminal, (connection) => specializeCommand(connection, terminal, { body, outputs }));
});

function addSpecialize(program: Command): void {
  const specializing = program.command('specialize').description('constraints in, a verified ONNX model out');
  const command = withSearch(specializing, { evaluations: jobEvaluationCount, maxSeconds: jobSeconds })
    .option('--supernet <id>', 'supernet to cut from')
    .option('--hardware <id>', 'hardware type that the latency is for')
    .option('--label <key=value>', 'a label kept with the specialization; repeatable', label)
    .option('--skip-latency', 'do not measure the latency here')
    .option('--warm-start', 'begin with the fronts of earlier specializations of the same supernet and hardware')
    .option('--fresh', 'search again, even where an equal request has a stored answer')
    .option('-o, --out <file>', 'where the model goes', 'model.onnx')
    .option('--report <file>', 'where the report (JSON) goes')
    .option(
      '--calibration <dir>',
      'folder of images, for a bundle that has none to calibrate with; they go into the bundle',
    )
    .option('--calibration-images <n>', CALIBRATION_IMAGES, positiveInteger);
  withExportFlags(command).action(specialize);
}

function addEstimate(program: Command): void {
  withLimits(program.command('estimate').description('predicted figures, and whether limits can be met; no job'))
    .option('--supernet <id>', 'supernet that it is about')
    .option('--hardware <id>', 'hardware type that the latency is for')
    .option('--arch <file>', 'JSON of one architecture or an array; - reads standard input')
    .action(
      run<LimitOptions & { supernet?: string; hardware?: string; arch?: string }>(
        async ({ terminal, config }, { supernet, hardware, arch, ...limits }) => {
          requireLimit('estimate', limits, [['--arch', arch]]);
          const { withServer } = await import('../connect.js');
          const { refuseUnknown } = await import('../known.js');
          const { estimateBody, estimateCommand } = await import('../estimate.js');
          const body = await estimateBody(limits, { supernetId: supernet, hardwareId: hardware, archFile: arch });
          await refuseUnknown(config, { supernet, hardware, resolutions: limits.resolutions });
          return withServer(config, terminal, (connection) => estimateCommand(connection, terminal, body));
        },
      ),
    );
}

function addHistory(program: Command): void {
  program
    .command('history')
    .description('past specializations, newest first')
    .option('--limit <n>', 'rows', positiveInteger, 20)
    .option('--status <status>', 'queued, running, succeeded, failed or canceled')
    .option('--supernet <id>')
    .option('--hardware <id>')
    .option('--min-top1 <share>', 'measured top-1 of at least', fraction)
    .option('--max-latency-ms <ms>', 'latency of at most', positiveNumber)
    .option('--max-macs <n>', 'MACs of at most', positiveInteger)
    .option('--arch-id <id>')
    .action(
      run<{ supernet?: string; hardware?: string }>(async ({ terminal, config }, { supernet, hardware, ...rest }) => {
        const { withServer } = await import('../connect.js');
        const { historyCommand, historyQuery } = await import('../jobs.js');
        const query = historyQuery({ ...rest, supernetId: supernet, hardwareId: hardware });
        return withServer(config, terminal, (connection) => historyCommand(connection, terminal, query));
      }),
    );
}

/** `specialize`, `estimate`, `history`, `show` and `cancel`: everything that a server's rows are behind. */
export function addJobs(program: Command): void {
  addSpecialize(program);
  addEstimate(program);
  addHistory(program);
  for (const [name, what] of [
    ['show', 'one specialization'],
    ['cancel', 'stop a specialization'],
  ] as const) {
    program
      .command(`${name} <id>`)
      .description(what)
      .action(
        run(async ({ terminal, config }, _options, [id = '']) => {
          const { withServer } = await import('../connect.js');
          const { showCommand, cancelCommand } = await import('../jobs.js');
          const command = name === 'show' ? showCommand : cancelCommand;
          return withServer(config, terminal, (connection) => command(connection, terminal, id));
        }),
      );
  }
}
