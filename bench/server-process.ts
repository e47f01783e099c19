import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BespokeError } from '../src/common/errors.js';
import { PACKAGE_ROOT } from '../src/config.js';
import { note } from './harness.js';

const MAIN = join(PACKAGE_ROOT, 'dist', 'cli', 'main.js');
/** How long a start may take, ms: initdb, migrations, and a latency profile on a busy machine. */
const START_TIMEOUT_MS = 240_000;
const STOP_TIMEOUT_MS = 20_000;

/** When the youngest source was written, ms. */
function newestSource(): number {
  const src = join(PACKAGE_ROOT, 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  return Math.max(...files.map((path) => statSync(join(src, path)).mtimeMs));
}

const isCurrent = (): boolean => existsSync(MAIN) && statSync(MAIN).mtimeMs >= newestSource();

/** Compiles `src` where `dist` is older: what is measured is the program as shipped, without a loader in it. */
export function build(): void {
  if (isCurrent()) return;
  note('dist is older than src: compiling');
  const tsc = join(PACKAGE_ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', PACKAGE_ROOT], { encoding: 'utf8' });
  if (status !== 0) note(`the compiler found faults:\n${stdout}`);
  if (!isCurrent())
    throw new BespokeError('invalid-request', 'src cannot be compiled, so there is no server to measure');
}

export interface ServerProcess {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** From the start of the process to its first answer. */
  readonly startSeconds: number;
  /** Whether this start measured the machine: the data folder had no profile of it. */
  readonly hasProfiled: boolean;
  stop(): Promise<void>;
}

function countProfiles(dataDir: string): number {
  const dir = join(dataDir, 'hardware');
  return existsSync(dir) ? readdirSync(dir).filter((name) => name.endsWith('.json')).length : 0;
}

/** Starts `bespoke serve` as a process of its own on a free port, and waits until it answers. */
export async function startServerProcess(dataDir: string, modelDirs: readonly string[]): Promise<ServerProcess> {
  build();
  const profiles = countProfiles(dataDir);
  const start = performance.now();
  const args = [MAIN, 'serve', '--port', '0', '--data-dir', dataDir, '--models', modelDirs.join(':'), '--json'];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, BESPOKE_LOG_LEVEL: 'warn', BESPOKE_HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const killed = (): void => void child.kill('SIGKILL');
  process.once('exit', killed); // a benchmark that breaks leaves no server behind
  const url = await firstUrl(child);
  const startSeconds = (performance.now() - start) / 1000;
  const stop = async (): Promise<void> => {
    process.removeListener('exit', killed);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(killed, STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  };
  return { url, pid: child.pid ?? 0, dataDir, startSeconds, hasProfiled: countProfiles(dataDir) > profiles, stop };
}

/** `serve --json` prints one JSON value with its URL once it answers. */
async function firstUrl(child: ChildProcess): Promise<string> {
  let text = '';
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill('SIGKILL');
      reject(new BespokeError('invalid-request', `the server did not start: ${why}`));
    };
    signal.addEventListener('abort', () => fail(`it took more than ${START_TIMEOUT_MS / 1000} s`));
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => fail(`it ended with the exit code ${code}`));
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const url = /"url": "([^"]+)"/.exec(text)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
}

/** One process of a tree. */
export interface ProcessMemory {
  readonly pid: number;
  readonly name: string;
  readonly rssBytes: number;
  /** Proportional: pages that processes share count in parts. Undefined where the kernel does not say. */
  readonly pssBytes: number | undefined;
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(`/proc/${path}`, 'utf8');
  } catch {
    return undefined; // ended meanwhile, or not ours to read
  }
}

/** Parent and name of a process; the name stands in parentheses and may hold any character. */
function statOf(pid: number): { readonly name: string; readonly parent: number } | undefined {
  const [, name, parent] = /^\d+ \((.*)\) \S (\d+) /s.exec(readProc(`${pid}/stat`) ?? '') ?? [];
  return name === undefined ? undefined : { name, parent: Number(parent) };
}

/** `node main.js`: which of our programs a Node process runs. */
function programOf(pid: number): string {
  const script = readProc(`${pid}/cmdline`)
    ?.split('\0')
    .find((word) => word.endsWith('.js'));
  return script === undefined ? 'node' : `node ${basename(script)}`;
}

function memoryOf(pid: number, name: string): ProcessMemory {
  const kilobytes = (text: string | undefined, field: string): number | undefined => {
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text ?? '')?.[1];
    return found === undefined ? undefined : Number(found) * 1024;
  };
  return {
    pid,
    name: name === 'node' ? programOf(pid) : name,
    rssBytes: kilobytes(readProc(`${pid}/status`), 'VmRSS') ?? 0,
    pssBytes: kilobytes(readProc(`${pid}/smaps_rollup`), 'Pss'),
  };
}

/** A process and everything that descends from it, with its memory. Linux alone; empty elsewhere. */
export function processTree(root: number): readonly ProcessMemory[] {
  if (!existsSync('/proc/self/stat')) return [];
  const all = new Map<number, { readonly name: string; readonly parent: number }>();
  for (const entry of readdirSync('/proc')) {
    const stat = /^\d+$/.test(entry) ? statOf(Number(entry)) : undefined;
    if (stat !== undefined) all.set(Number(entry), stat);
  }
  const belongs = (pid: number): boolean => {
    for (let at = pid; at > 1; at = all.get(at)?.parent ?? 0) if (at === root) return true;
    return false;
  };
  return [...all].filter(([pid]) => belongs(pid)).map(([pid, { name }]) => memoryOf(pid, name));
}
