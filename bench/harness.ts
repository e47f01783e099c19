import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BespokeError } from '../src/common/errors.js';
import { PACKAGE_ROOT, readConfig } from '../src/config.js';
import { runtimeVersion } from '../src/runtime/session.js';
import { VERSION } from '../src/version.js';
import { binomialBounds, type Summary } from './statistics.js';

/** What every benchmark is told. */
export interface BenchOptions {
  readonly isQuick: boolean;
  readonly seed: number;
  /** With `--quick`, on a machine so busy that the small settings take too long: begin no further repetition. */
  readonly isOutOfTime: () => boolean;
  /** The benchmark's own options, as given. */
  readonly given: Readonly<Record<string, string | undefined>>;
}

/** What a benchmark found. */
export interface BenchResult {
  /** What was run, so that a figure can be had again. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Everything measured, for `--json`. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** The same for people, line by line. */
  readonly lines: readonly string[];
  /** Something that must hold did not; the exit code is then 1. */
  readonly hasFailed?: boolean;
}

export interface Bench {
  readonly name: string;
  /** Own options with a value: name without dashes, and what it means. */
  readonly options: Readonly<Record<string, string>>;
  run(options: BenchOptions): Promise<BenchResult>;
}

/** Progress, on stderr: stdout is for the result alone. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** When a quick run begins nothing more, ms; what is under way and the rest fit into the 50 s then. */
const QUICK_LIMIT_MS = 28_000;

const COMMON = {
  json: 'one JSON value on stdout, nothing else there (with `npm run -s`: npm prints a header of its own)',
  quick: 'small settings, done within 50 s: shows that it works, its figures are not for the record',
  seed: 'a whole number, 1 unless told: the same one draws the same inputs',
} as const;

function usage({ name, options }: Bench): string {
  const rows = [...Object.entries(options).map(([key, text]) => [`${key} X`, text]), ...Object.entries(COMMON)];
  return [`npm run bench:${name} -- [options]`, ...rows.map(([key, text]) => `  --${key}  ${text}`)].join('\n');
}

/** A whole number of at least 1 that an own option gives, or the fallback. */
export function countOption({ given }: BenchOptions, name: string, fallback: number): number {
  const text = given[name];
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new BespokeError('invalid-request', `--${name} must be a whole number of at least 1, got "${text}"`);
}

function parseOptions(bench: Bench, args: readonly string[]): BenchOptions & { isJson: boolean; isHelp: boolean } {
  const flags = { json: { type: 'boolean' }, quick: { type: 'boolean' }, help: { type: 'boolean' } } as const;
  const own = Object.fromEntries(Object.keys(bench.options).map((key) => [key, { type: 'string' } as const]));
  let values: Readonly<Record<string, unknown>>;
  try {
    ({ values } = parseArgs({ args: [...args], options: { ...flags, seed: { type: 'string' }, ...own } }));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BespokeError('invalid-request', `${why}\n${usage(bench)}`, {}, cause);
  }
  const { json, quick, help, seed = '1', ...given } = values;
  if (!/^\d{1,15}$/.test(String(seed))) {
    throw new BespokeError('invalid-request', `--seed must be a whole number of at least 0, got "${String(seed)}"`);
  }
  return {
    isJson: json === true,
    isHelp: help === true,
    isQuick: quick === true,
    seed: Number(seed),
    isOutOfTime: () => quick === true && performance.now() > QUICK_LIMIT_MS, // since the process began
    given: given as Readonly<Record<string, string | undefined>>, // declared as strings above
  };
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, {
      cwd: PACKAGE_ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined; // a package without its repository
  }
}

/** The commit of the sources; `+` says that tracked files differ from it. */
function commit(): string {
  const head = git('rev-parse', '--short=12', 'HEAD');
  if (head === undefined) return 'unknown';
  return git('status', '--porcelain', '--untracked-files=no') === '' ? head : `${head}+`;
}

const loads = (): string =>
  loadavg()
    .map((load) => load.toFixed(2))
    .join(' ');

/**
 * Runs a benchmark as a program: options, machine, versions, result on stdout as text or JSON.
 * Exit codes as of the command line: 0 done, 1 something that must hold did not, 3 usage or input error.
 */
export async function runBench(bench: Bench): Promise<void> {
  // An exit, unlike a signal's end, runs what stops servers and removes temporary folders.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(3));
  try {
    const options = parseOptions(bench, process.argv.slice(2));
    if (options.isHelp) process.stdout.write(`${usage(bench)}\n`);
    else await runAndPrint(bench, options);
  } catch (error) {
    const isExpected = error instanceof BespokeError;
    note(isExpected ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 3;
  }
}

async function runAndPrint(bench: Bench, options: BenchOptions & { readonly isJson: boolean }): Promise<void> {
  const { isQuick, seed, isJson } = options;
  const startedAt = new Date().toISOString();
  const start = performance.now();
  const loadAtStart = loads();
  const { settings, figures, lines, hasFailed } = await bench.run(options);
  const seconds = (performance.now() - start) / 1000;
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    loadAtStart,
    loadAtEnd: loads(),
  };
  const versions = { bespoke: VERSION, commit: commit(), node: process.version, onnxruntime: runtimeVersion() };
  process.exitCode = hasFailed === true ? 1 : 0;
  if (isJson) {
    const value = { bench: bench.name, isQuick, seed, startedAt, seconds, machine, versions, settings, figures };
    process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
    return;
  }
  const { cpu, cores, memoryBytes, loadAtEnd } = machine;
  const head = [
    `bench ${bench.name}, seed ${seed}${isQuick ? ', QUICK: not for the record' : ''}`,
    `machine   ${cpu}, ${cores} cores, ${gibibytes(memoryBytes)}; load ${loadAtStart} at start, ${loadAtEnd} at end`,
    `versions  bespoke ${VERSION} (${versions.commit}), node ${versions.node}, onnxruntime ${versions.onnxruntime}`,
    `run       ${startedAt}, ${seconds.toFixed(1)} s`,
    `settings  ${JSON.stringify(settings)}`,
  ];
  process.stdout.write(`${[...head, '', ...lines].join('\n')}\n`);
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** A figure with few enough digits to be read; a share or a count keeps its own. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return size >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** `median UNIT (quartiles a to b, range c to d, n)`, or that there is nothing. */
export function spread(summary: Summary | undefined, unit: string): string {
  if (summary === undefined) return 'none measured';
  const { median, q1, q3, min, max, n } = summary;
  return `median ${digits(median)}${unit === '' ? '' : ` ${unit}`} (quartiles ${digits(q1)} to ${digits(q3)}, range ${digits(min)} to ${digits(max)}, n ${n})`;
}

/** `k of n (95 % bounds a to b)`. */
export function share(k: number, n: number): string {
  if (n === 0) return '0 of 0';
  const { low, high } = binomialBounds(k, n);
  return `${k} of ${n} (95 % bounds of the share ${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %)`;
}

/** Label and value in two columns. */
export function row(label: string, value: string): string {
  return `${label.padEnd(38)} ${value}`;
}

/** A data folder that was named, or a fresh one that `remove` deletes. */
export function openDataDir(named: string | undefined): { readonly dir: string; readonly remove: () => void } {
  if (named !== undefined) return { dir: resolve(named), remove: () => {} };
  const dir = mkdtempSync(join(tmpdir(), 'bespoke-bench-'));
  // A killed server's database may still be writing: what is left then is a temporary folder.
  const remove = (): void => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.once('exit', remove);
  return {
    dir,
    remove: () => {
      process.removeListener('exit', remove);
      remove();
    },
  };
}

/** The folders of bundles: those named with `--models`, else what the environment says. */
export function modelDirsOf(named: string | undefined): readonly string[] {
  return readConfig(named === undefined ? process.env : { ...process.env, BESPOKE_MODELS: named }).modelDirs;
}

/** The first folder among these, or inside one of them, that has a file of that name. */
function findFolder(dirs: readonly string[], name: string): string | undefined {
  for (const dir of dirs) {
    const inside = existsSync(dir) ? readdirSync(dir).map((entry) => join(dir, entry)) : [];
    const found = [dir, ...inside.toSorted()].find((folder) => existsSync(join(folder, name)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first bundle's folder. @throws BespokeError `not-found` naming where it was looked for */
export function findBundleDir(modelDirs: readonly string[]): string {
  const found = findFolder(modelDirs, 'bundle.json');
  if (found !== undefined) return found;
  throw new BespokeError('not-found', `there is no bundle in ${modelDirs.join(', ')}; name a folder with --models`);
}

/** The first search space's file; it needs no trained weights beside it. @throws BespokeError `not-found` naming where it was looked for */
export function findSpaceFile(modelDirs: readonly string[]): string {
  const found = findFolder(modelDirs, 'space.json');
  if (found !== undefined) return join(found, 'space.json');
  throw new BespokeError('not-found', `there is no space.json in ${modelDirs.join(', ')}; name a folder with --models`);
}

/** Options that more than one benchmark has. */
export const MODELS_OPTION = "folder of bundles, or a bundle (default: the package's models, or BESPOKE_MODELS)";
export const DATA_DIR_OPTION =
  'data folder to use and keep (default: a fresh one, profiled at the start, removed at the end)';
