import { mkdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { makeClient, ProblemError, type Specialization } from '../client/client.js';
import { BespokeError } from '../common/errors.js';
import { readConfig } from '../config.js';
import { prepareImages } from '../data/prepare-images.js';
import { createSession } from '../runtime/session.js';
import { type RunningServer, startServer } from '../server.js';
import { EXIT, positiveInteger, positiveNumber, wholeNumber } from './arguments.js';
import type { Connection } from './connect.js';
import { downloadModel, resultTable, runSpecialization, unwrap, writeOut } from './jobs.js';
import { makeTerminal, type Terminal } from './terminal.js';

interface QuickstartOptions {
  readonly out: string;
  readonly maxLatencyMs?: number;
  readonly maxMacs: number;
  readonly seed: number;
  readonly dataDir?: string;
}

/** MACs asked for unless told: about a quarter of the largest sub-network of the bundled supernet. */
const DEFAULT_MAX_MACS = 4_000_000;
/** Images that the downloaded model is shown. */
const SHOWN_IMAGES = 8;

/**
 * The whole way as a newcomer sees it: a server on the embedded default, a budget POSTed over HTTP, the model downloaded and run.
 * @returns the exit code: 0 only if the specialization succeeded and every check passed
 */
async function quickstart(terminal: Terminal, options: QuickstartOptions): Promise<number> {
  const out = resolve(options.out);
  await makeFolder(out);
  terminal.note('Starting the server (embedded PostgreSQL, in-process queue)');
  const dataDir = options.dataDir === undefined ? {} : { dataDir: options.dataDir };
  const config = readConfig(process.env, { ...dataDir, host: '127.0.0.1', port: 0, logLevel: 'error' });
  const server = await startServer(config, {
    onStep: (step, progress) => {
      if (progress !== undefined) terminal.progress(step, progress);
    },
  });
  try {
    terminal.endProgress();
    return await specializeAndShow(terminal, server, { ...options, out });
  } finally {
    await server.close();
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new BespokeError(
      'storage-failed',
      `the folder "${path}" cannot be made; give another with --out DIR`,
      {},
      cause,
    );
  }
}

/** Where the default latency budget lies between the smallest and the largest sub-network: low enough that it matters beside the MACs. */
const DEFAULT_LATENCY_SHARE = 0.25;

/** A latency budget that fits this machine, from the predicted latencies of the smallest and the largest sub-network. */
async function defaultLatencyMs({ client }: Connection, server: RunningServer): Promise<number> {
  const [supernet] = server.catalog.supernets;
  const [hardware] = server.catalog.hardware;
  if (supernet === undefined || hardware === undefined)
    throw new BespokeError('no-latency-data', 'this machine has no latency model');
  const { parseSpace } = await import('../space/parse-space.js');
  const { maxArch, minArch } = await import('../space/arch.js');
  const space = parseSpace(supernet.space, supernet.id);
  const archs = [minArch(space), maxArch(space)].map(({ spaceId, kernelSizes, expandRatios, depths, resolution }) => ({
    spaceId,
    kernelSizes: [...kernelSizes],
    expandRatios: [...expandRatios],
    depths: [...depths],
    resolution,
  }));
  const { candidates } = unwrap(
    await client.POST('/v1/estimates', { body: { supernetId: supernet.id, hardwareId: hardware.id, archs } }),
  );
  const [smallest = 0, largest = 0] = candidates.map(({ predictedLatencyMs }) => predictedLatencyMs ?? 0);
  return Number((smallest + DEFAULT_LATENCY_SHARE * (largest - smallest)).toPrecision(2));
}

async function specializeAndShow(
  terminal: Terminal,
  server: RunningServer,
  options: QuickstartOptions,
): Promise<number> {
  const connection: Connection = { client: makeClient(server.url), url: server.url };
  const maxLatencyMs = options.maxLatencyMs ?? (await defaultLatencyMs(connection, server));
  terminal.note(
    `POST ${server.url}/v1/specializations  { maxLatencyMs: ${maxLatencyMs}, maxMacs: ${options.maxMacs} }`,
  );
  const row = await runSpecialization(connection, terminal, {
    constraints: { maxLatencyMs, maxMacs: options.maxMacs },
    seed: options.seed,
  });
  if (row.status !== 'succeeded') {
    terminal.note(`${row.status}: ${row.problem?.detail ?? 'stopped on request'}`);
    return EXIT.failed;
  }
  const files = await writeResults(connection, row, options.out);
  await showPredictions(terminal, server, files.model);
  terminal.print(`\n${resultTable(row)}\n`);
  for (const check of row.result?.checks ?? [])
    terminal.print(`  ${check.outcome.padEnd(11)} ${check.id}: ${check.detail}`);
  terminal.print('');
  for (const path of Object.values(files)) terminal.print(`  ${relative(process.cwd(), path) || path}`);
  const isVerified = (row.result?.checks ?? []).every(({ outcome }) => outcome === 'passed');
  return isVerified ? EXIT.done : EXIT.failed;
}

async function writeResults(connection: Connection, row: Specialization, out: string) {
  const files = { model: join(out, 'model.onnx'), json: join(out, 'report.json'), html: join(out, 'report.html') };
  await writeOut(files.model, await downloadModel(connection, row));
  const reportUrl = `${connection.url}/v1/specializations/${row.id}/report`;
  const json = await fetch(reportUrl, { headers: { Accept: 'application/json' } });
  await writeOut(files.json, `${JSON.stringify(await json.json(), undefined, 2)}\n`);
  const html = await fetch(reportUrl, { headers: { Accept: 'text/html' } });
  await writeOut(files.html, await html.text());
  return files;
}

/** Runs the downloaded file in onnxruntime-node on a few of the bundle's verification images. */
async function showPredictions(terminal: Terminal, server: RunningServer, modelPath: string): Promise<void> {
  const { readFile } = await import('node:fs/promises');
  const { decodeModel } = await import('../onnx/codec.js');
  const [supernet] = server.catalog.supernets;
  if (supernet === undefined) return;
  const { resolveBundle } = await import('./offline.js');
  const bundle = await resolveBundle(supernet.id, readConfig(process.env).modelDirs);
  const bytes = await readFile(modelPath);
  const input = JSON.parse(decodeModel(bytes).metadata['bespoke.input'] ?? '{}') as { readonly resolution: number }; // written by our exporter
  const indices = Array.from({ length: SHOWN_IMAGES }, (_, index) => index);
  const images = prepareImages(bundle.verification, indices, bundle.input, input.resolution);
  const session = await createSession(bytes, { threads: 1, optimization: 'all' });
  const { logits } = await session.run({ input: images });
  await session.release();
  const classes = bundle.classNames.length;
  const named = indices.map((index) => {
    const row = Array.from({ length: classes }, (_, k) => Number(logits?.data[index * classes + k]));
    const guess = row.indexOf(Math.max(...row));
    const truth = bundle.verification.labels?.[index];
    return `${bundle.classNames[guess]}${guess === truth ? '' : ` (is ${bundle.classNames[truth ?? 0]})`}`;
  });
  terminal.print(`\nThe model run in onnxruntime-node on ${SHOWN_IMAGES} images it has not seen: ${named.join(', ')}`);
}

const program = new Command('quickstart')
  .description('From a latency and a MACs budget to a verified ONNX model for this machine, through the HTTP API.')
  .option('--out <dir>', 'where model.onnx, report.json and report.html go', 'out')
  .option(
    '--max-latency-ms <ms>',
    'median latency on this machine, one thread (default: chosen for this machine)',
    positiveNumber,
  )
  .option('--max-macs <n>', 'multiply-accumulates of one forward pass', positiveInteger, DEFAULT_MAX_MACS)
  .option('--seed <n>', 'seed of the search', wholeNumber, 1)
  .option(
    '--data-dir <dir>',
    'embedded database and latency profile (default: BESPOKE_DATA_DIR or ~/.local/share/bespoke)',
  )
  .exitOverride();

try {
  program.parse();
  process.exitCode = await quickstart(makeTerminal(false), program.opts<QuickstartOptions>());
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  } else {
    const isExpected = error instanceof BespokeError || error instanceof ProblemError;
    process.stderr.write(
      `${isExpected ? '' : 'unexpected: '}${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = EXIT.usage;
  }
}
