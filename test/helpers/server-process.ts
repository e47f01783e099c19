import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CreateSpecialization, Specialization } from '../../src/client/client.js';

/** Real processes of the command line, from the sources. */
const MAIN = resolve('src/cli/main.ts');

/** Processes are looked up here. */
export const HAS_PROC = existsSync('/proc/self/stat');

/** What another process does on a busy machine is waited for this long, ms. */
const PATIENCE_MS = 60_000;
const POLL_MS = 25;

/**
 * Looks until something is there.
 * @param look gives undefined or false while it is not
 * @throws Error naming `what` when it is not there in time
 */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  ms = PATIENCE_MS,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await delay(POLL_MS);
  }
}

export interface CliOptions {
  readonly dataDir: string;
  readonly models: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** The environment of a test's process: nothing of ours leaks in. */
function environment({ dataDir, models, env = {} }: CliOptions): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(BESPOKE_|PG|VITEST)/.test(name) && !['DATABASE_URL', 'REDIS_URL', 'NODE_OPTIONS'].includes(name),
  );
  return {
    ...Object.fromEntries(own),
    BESPOKE_DATA_DIR: dataDir,
    BESPOKE_MODELS: models,
    BESPOKE_LOG_LEVEL: 'warn',
    // One measuring lock per test folder: tests of other files measure beside it, and some stop processes that hold it.
    TMPDIR: dirname(dataDir),
    ...env,
  };
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of the command line that runs. */
export interface CliProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
  /** SIGTERM, and its end. */
  stop(): Promise<Ended>;
  /** SIGKILL, and its end. */
  kill(): Promise<Ended>;
}

const started = new Set<CliProcess>();

/** Starts `bespoke ARGS`. */
export function startCli(args: readonly string[], options: CliOptions): CliProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    env: environment(options),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  const ended = new Promise<Ended>((done) => {
    child.once('exit', (code, signal) => {
      started.delete(running);
      // A grandchild may hold the streams open; what the process itself said is there by now or a moment later.
      setImmediate(() => done({ code, signal, stdout, stderr }));
    });
  });
  const end = (signal: NodeJS.Signals): Promise<Ended> => {
    child.kill(signal);
    return ended;
  };
  const running: CliProcess = {
    pid: child.pid ?? -1,
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
  started.add(running);
  return running;
}

/** Runs `bespoke ARGS` to its end. */
export function runCli(args: readonly string[], options: CliOptions): Promise<Ended> {
  return startCli(args, options).ended;
}

/** A server that listens. */
export interface ServerProcess extends CliProcess {
  readonly url: string;
}

/** Starts a process that stays, and waits for a line of its standard output. @throws Error with its words if it ends instead */
async function startAndAwait(args: readonly string[], options: CliOptions, line: RegExp) {
  const running = startCli(args, options);
  let end: Ended | undefined;
  void running.ended.then((ended) => {
    end = ended;
  });
  const match = await until(`${args[0]} starts`, () => {
    if (end !== undefined) throw new Error(`bespoke ${args[0]} ended with ${end.code}: ${end.stderr}${end.stdout}`);
    return line.exec(running.stdout()) ?? undefined;
  });
  return { running, match };
}

/** Starts `bespoke serve` on a free port and waits until it listens. */
export async function startServer(options: CliOptions, args: readonly string[] = []): Promise<ServerProcess> {
  const { running, match } = await startAndAwait(
    ['serve', '--port', '0', ...args],
    options,
    /Bespoke listens on (http\S+)/,
  );
  return { ...running, url: match[1] ?? '' };
}

/** Starts `bespoke worker` and waits until it takes jobs. */
export async function startWorker(options: CliOptions): Promise<CliProcess> {
  return (await startAndAwait(['worker'], options, /takes jobs/)).running;
}

/** Ends everything that was started here and is not ended yet, and, where processes can be listed, whatever has `marker` in its command. */
export async function endAll(marker: string): Promise<void> {
  for (const running of started) {
    running.child.kill('SIGCONT');
    await running.kill();
  }
  for (const { pid } of processesOf(marker)) signal(pid, 'SIGKILL');
}

/** Sends a signal to a process that may be gone. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // gone already
  }
}

interface ListedProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly cwd: string;
}

function readProcess(pid: number): ListedProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return { pid, parent: Number(parent), command, cwd: readlinkSync(`/proc/${pid}/cwd`) };
  } catch {
    return undefined; // gone meanwhile, or not ours
  }
}

function listProcesses(): readonly ListedProcess[] {
  if (!HAS_PROC) return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .flatMap((pid) => readProcess(pid) ?? []);
}

/** Processes that have a folder in their command line, or work in it: a server's numeric child and its database (needs /proc). */
function processesOf(dir: string): readonly ListedProcess[] {
  return listProcesses().filter(({ command, cwd }) => command.includes(dir) || cwd.startsWith(dir));
}

/** Waits until no process of a folder is left: a killed one is gone a moment after its parent. */
export function nothingLeft(dir: string): Promise<true> {
  return until(`no process of ${dir} is left`, () => processesOf(dir).length === 0 && true);
}

/** The pid of the numeric child of a server or worker, if it runs (needs /proc). */
export function engineOf(parent: number): number | undefined {
  return listProcesses().find((each) => each.parent === parent && each.command.includes('engine-child'))?.pid;
}

/** A body as what the caller knows it to be: contract tests check the shapes, end-to-end tests the values. */
export async function bodyOf<T>(response: Response): Promise<T> {
  return (await response.json()) as T; // see above
}

/** POSTs a specialization. @param waitSeconds holds the answer until it is finished, at most so long */
export async function post(url: string, body: CreateSpecialization, waitSeconds = 0): Promise<Specialization> {
  const response = await fetch(`${url}/v1/specializations`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(waitSeconds === 0 ? {} : { Prefer: `wait=${waitSeconds}` }),
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 200 && response.status !== 202) throw new Error(`HTTP ${response.status}: ${text}`);
  return JSON.parse(text) as Specialization; // the contract's shape, which contract tests check
}

/** The row as it is now. */
export async function get(url: string, id: string): Promise<Specialization> {
  const response = await fetch(`${url}/v1/specializations/${id}`);
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
  return bodyOf(response);
}

/** The row once it is finished. */
export function finished(url: string, id: string): Promise<Specialization> {
  return until(`specialization ${id} is finished`, async () => {
    const row = await get(url, id);
    return row.status !== 'queued' && row.status !== 'running' && row;
  });
}
