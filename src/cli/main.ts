#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ProblemError } from '../client/client.js';
import { BespokeError } from '../common/errors.js';
import { type Config, readConfig } from '../config.js';
import { VERSION } from '../version.js';
import { EXIT, fraction, integerList, label, positiveInteger, positiveNumber, wholeNumber } from './arguments.js';
import { makeTerminal, type Terminal } from './terminal.js';

/** What every command gets: its terminal, the configuration, and a place for its exit code. */
interface Invocation {
  readonly terminal: Terminal;
  readonly config: Config;
}

type CommandOptions = Readonly<Record<string, unknown>>;

let exitCode: number = EXIT.done;

/** Wraps a command's work: reads the configuration once, keeps the exit code. Heavy modules are imported by the work itself. */
function run<T extends CommandOptions>(
  work: (invocation: Invocation, options: T, args: readonly string[]) => Promise<number>,
) {
  return async (...called: unknown[]): Promise<void> => {
    const command = called.at(-1) as Command; // commander's contract: arguments, options, command
    const options = command.optsWithGlobals() as T & {
      json?: boolean;
      server?: string;
      dataDir?: string;
      models?: string;
      port?: number;
    };
    const overrides: Partial<Config> = {
      ...(options.server === undefined ? {} : { serverUrl: options.server }),
      ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
      ...(options.port === undefined ? {} : { port: options.port }),
    };
    const env = options.models === undefined ? process.env : { ...process.env, BESPOKE_MODELS: options.models };
    const invocation = { terminal: makeTerminal(options.json ?? false), config: readConfig(env, overrides) };
    exitCode = await work(invocation, options, command.args);
  };
}

interface LimitOptions extends CommandOptions {
  readonly maxLatencyMs?: number;
  readonly maxMacs?: number;
  readonly maxParams?: number;
  readonly maxModelBytes?: number;
  readonly maxPeakMemoryBytes?: number;
  readonly minTop1?: number;
  readonly resolutions?: number[];
  readonly seed: number;
  readonly evaluations: number;
}

const LIMITS = ['maxLatencyMs', 'maxMacs', 'maxParams', 'maxModelBytes', 'maxPeakMemoryBytes', 'minTop1'] as const;

const constraintsOf = (options: LimitOptions): Partial<Record<(typeof LIMITS)[number], number>> =>
  Object.fromEntries(LIMITS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])));

const withLimits = (command: Command): Command =>
  command
    .option('--max-latency-ms <ms>', 'latency budget, median (p50), milliseconds', positiveNumber)
    .option('--max-macs <n>', 'multiply-accumulates of one forward pass', positiveInteger)
    .option('--max-params <n>', 'learnable parameters', positiveInteger)
    .option('--max-model-bytes <n>', 'size of the ONNX file', positiveInteger)
    .option('--max-peak-memory-bytes <n>', 'peak activation memory at batch 1', positiveInteger)
    .option('--min-top1 <share>', 'least top-1, 0..1', fraction)
    .option('--resolutions <list>', 'input sides to search, separated by commas', integerList)
    .option('--seed <n>', 'seed of the search', wholeNumber, 1)
    .option('--evaluations <n>', 'architectures to score', positiveInteger, 50_000);

function addServing(program: Command): void {
  program
    .command('serve')
    .description('the API, one child for the numeric work, embedded database')
    .option('--port <n>', 'port to listen on; 0 takes a free one', wholeNumber)
    .action(
      run(async (invocation) => (await import('./serve.js')).serveCommand(invocation.terminal, invocation.config)),
    );
  program
    .command('worker')
    .description('a worker only; needs REDIS_URL and DATABASE_URL')
    .action(
      run(async (invocation) => (await import('./serve.js')).workerCommand(invocation.terminal, invocation.config)),
    );
}

function addJobs(program: Command): void {
  withLimits(program.command('specialize').description('constraints in, a verified ONNX model out'))
    .option('--supernet <id>', 'supernet to cut from')
    .option('--hardware <id>', 'hardware type that the latency is for')
    .option('--label <key=value>', 'a label kept with the specialization; repeatable', label)
    .option('--skip-latency', 'do not measure the latency here')
    .option('-o, --out <file>', 'where the model goes', 'model.onnx')
    .option('--report <file>', 'where the report (JSON) goes')
    .action(
      run<
        LimitOptions & {
          supernet?: string;
          hardware?: string;
          label?: Record<string, string>;
          skipLatency?: boolean;
          out: string;
          report?: string;
        }
      >(async ({ terminal, config }, options) => {
        const { withServer } = await import('./connect.js');
        const { specializeCommand } = await import('./jobs.js');
        const body = {
          constraints: constraintsOf(options),
          seed: options.seed,
          search: { evaluations: options.evaluations },
          ...(options.supernet === undefined ? {} : { supernetId: options.supernet }),
          ...(options.hardware === undefined ? {} : { hardwareId: options.hardware }),
          ...(options.label === undefined ? {} : { labels: options.label }),
          ...(options.resolutions === undefined ? {} : { resolutions: options.resolutions }),
          ...(options.skipLatency === true ? { verify: { latency: 'skip' as const } } : {}),
        };
        const outputs = { model: options.out, report: options.report };
        return withServer(config, terminal, (connection) => specializeCommand(connection, terminal, { body, outputs }));
      }),
    );
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
        const { withServer } = await import('./connect.js');
        const { historyCommand, historyQuery } = await import('./jobs.js');
        const query = historyQuery({ ...rest, supernetId: supernet, hardwareId: hardware });
        return withServer(config, terminal, (connection) => historyCommand(connection, terminal, query));
      }),
    );
  for (const [name, what] of [
    ['show', 'one specialization'],
    ['cancel', 'stop a specialization'],
  ] as const) {
    program
      .command(`${name} <id>`)
      .description(what)
      .action(
        run(async ({ terminal, config }, _options, [id = '']) => {
          const { withServer } = await import('./connect.js');
          const { showCommand, cancelCommand } = await import('./jobs.js');
          const command = name === 'show' ? showCommand : cancelCommand;
          return withServer(config, terminal, (connection) => command(connection, terminal, id));
        }),
      );
  }
}

function addSpaces(program: Command): void {
  const space = program.command('space').description('search spaces');
  space
    .command('list')
    .description('the known spaces')
    .action(run(async ({ terminal, config }) => (await import('./spaces.js')).listSpaces(terminal, config.modelDirs)));
  space
    .command('show <space>')
    .description('elastic choices and the exact number of distinct sub-networks')
    .action(
      run(async ({ terminal, config }, _options, [id = '']) => {
        const { resolveSpace, showSpace } = await import('./spaces.js');
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
        const { resolveSpace, countArchs } = await import('./spaces.js');
        return countArchs(terminal, await resolveSpace(options.space, config.modelDirs), options.arch);
      }),
    );
}

function addOffline(program: Command): void {
  program
    .command('extract')
    .description('one sub-network as ONNX, no search')
    .requiredOption('--supernet <id>', 'id or folder of a bundle')
    .requiredOption('--arch <file>', 'JSON of the architecture; - reads standard input')
    .option('-o, --out <file>', 'where the model goes', 'model.onnx')
    .action(
      run<{ supernet: string; arch: string; out: string }>(async ({ terminal, config }, options) => {
        const { extractCommand, resolveBundle } = await import('./offline.js');
        const bundle = await resolveBundle(options.supernet, config.modelDirs);
        return extractCommand(terminal, bundle, { archFile: options.arch, out: options.out });
      }),
    );
  withLimits(program.command('search').description('a search alone: the best architecture and the front'))
    .requiredOption('--space <space>', 'id or JSON file of a search space')
    .requiredOption('--predictor <dir>', 'folder of predictor.json')
    .option('--hardware <id>', 'hardware id with a kept profile, or a profile.json')
    .action(
      run<LimitOptions & { space: string; predictor: string; hardware?: string }>(
        async ({ terminal, config }, options) => {
          const { searchCommand } = await import('./offline.js');
          const { resolveSpace } = await import('./spaces.js');
          const space = await resolveSpace(options.space, config.modelDirs);
          const request = {
            supernetId: space.id,
            hardwareId: options.hardware ?? 'local-cpu',
            constraints: constraintsOf(options),
            objective: 'accuracy' as const,
            ...(options.resolutions === undefined ? {} : { resolutions: options.resolutions }),
            seed: options.seed,
            search: { evaluations: options.evaluations },
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
    .description('top-1 of an ONNX model on labelled images')
    .option('--data <dir>', 'folder of IDX files')
    .option('--split <split>', 'train or test', 'test')
    .action(
      run<{ data?: string; split: string }>(async ({ terminal }, { data, split }, [model = '']) => {
        if (split !== 'train' && split !== 'test') {
          throw new BespokeError('invalid-request', `--split is train or test, got "${split}"`);
        }
        return (await import('./offline.js')).evaluateCommand(terminal, { model, data, split });
      }),
    );
}

function addHardware(program: Command): void {
  const hardware = program.command('hardware').description('hardware types and their latency models');
  hardware
    .command('list')
    .description('hardware types with a kept profile')
    .action(
      run(async ({ terminal, config }) => (await import('./hardware.js')).listHardware(terminal, config.dataDir)),
    );
  hardware
    .command('show <id>')
    .description('one hardware type')
    .action(
      run(async ({ terminal, config }, _options, [id = '']) =>
        (await import('./hardware.js')).showHardware(terminal, config.dataDir, id),
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
        const { profileCommand } = await import('./hardware.js');
        const { resolveSpace } = await import('./spaces.js');
        const resolved = await resolveSpace(space, config.modelDirs);
        return profileCommand(terminal, { space: resolved, dataDir: config.dataDir, id, out });
      }),
    );
}

function makeProgram(): Command {
  const program = new Command('bespoke')
    .description('Cut from one trained network the sub-network that fits a device.')
    .version(VERSION)
    .option('--json', 'one JSON value on stdout, nothing else there')
    .option('--server <url>', 'use this running server')
    .option('--data-dir <dir>', 'database, latency profiles, lock file')
    .option('--models <dirs>', 'further folders with bundles, separated by ":"')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '')) });
  addServing(program);
  addJobs(program);
  addSpaces(program);
  addOffline(program);
  addHardware(program);
  program
    .command('train')
    .description('train a supernet (offline; see docs/training.md)')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[options...]')
    .action(run(async ({ terminal }, _options, args) => (await import('./train.js')).trainCommand(terminal, args)));
  for (const command of program.commands) command.exitOverride();
  return program;
}

/** One clear sentence for an expected failure; the stack only of what should not happen, and only when asked for. */
function explain(error: unknown): string {
  if (error instanceof BespokeError || error instanceof ProblemError) return error.message;
  const detail = error instanceof Error ? error.message : String(error);
  const stack =
    process.env.BESPOKE_DEBUG === '1' && error instanceof Error ? `\n${error.stack}` : ' (BESPOKE_DEBUG=1 shows where)';
  return `unexpected: ${detail}${stack}`;
}

/** Infeasible and failed checks are answers (1); everything else that was refused is the caller's to mend (3). */
function codeFor(error: unknown): number {
  const code =
    error instanceof BespokeError ? error.code : error instanceof ProblemError ? error.problem.code : undefined;
  return code === 'infeasible-constraints' || code === 'verification-failed' ? EXIT.failed : EXIT.usage;
}

function nearestOf(error: unknown): Readonly<Record<string, number>> {
  if (error instanceof BespokeError) return error.extras.nearestFeasible ?? {};
  return error instanceof ProblemError ? (error.problem.nearestFeasible ?? {}) : {};
}

try {
  await makeProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  } else {
    process.stderr.write(`${explain(error)}\n`);
    for (const [name, value] of Object.entries(nearestOf(error)))
      process.stderr.write(`  nearest ${name} that can be met: ${value}\n`);
    exitCode = codeFor(error);
  }
}
process.exitCode = exitCode;
