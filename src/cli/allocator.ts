import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { keepsFreedMemory, TRAINING_ALLOCATOR } from '../runtime/allocator.js';

/** Set in the process that runs with the settings; a user sets it to 0 to do without. */
const MARK = 'BESPOKE_ALLOCATOR';

/** The glibc version of this process; undefined elsewhere (macOS, Windows, Alpine). */
function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}

/**
 * The environment for a process that trains.
 * @returns undefined if nothing is to be changed: no glibc, done already, or not wanted; what the user has set stays
 */
export function allocatorEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  glibc: string | undefined,
): Readonly<Record<string, string | undefined>> | undefined {
  if (glibc === undefined || env[MARK] !== undefined) return undefined;
  return { ...TRAINING_ALLOCATOR, ...env, [MARK]: '1' };
}

/**
 * Starts this very command again with the allocator's settings and waits for it; signals are passed on, and the new process ends if this one dies.
 * @returns its exit code; undefined if this process is to do the work itself
 */
export async function runWithAllocator(): Promise<number | undefined> {
  const isWatched = process.env[MARK] !== undefined && process.channel !== undefined;
  if (isWatched) {
    process.once('disconnect', () => process.kill(process.pid, 'SIGTERM')); // the one that waits for us is gone
    process.channel?.unref();
  }
  const env = allocatorEnvironment(process.env, process.platform === 'linux' ? glibcVersion() : undefined);
  if (env === undefined) return undefined;
  const args = [...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(process.execPath, args, { env: { ...env }, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  process.on('SIGINT', () => undefined); // a terminal's Ctrl-C reaches both
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** Runs the work of a script in a process with the allocator's settings, and this one ends with its exit code. */
export async function withAllocator(work: () => Promise<void>): Promise<void> {
  const code = await runWithAllocator();
  if (code === undefined) await work();
  else process.exitCode = code;
}

/** Whether sessions of this process are to keep arenas of their own: not where it was started with an allocator that keeps freed memory. */
export const needsArenas = (): boolean => !keepsFreedMemory(process.env, glibcVersion());
