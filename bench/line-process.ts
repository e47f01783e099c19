import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BespokeError } from '../src/common/errors.js';

/** A process that answers each line of JSON on its stdin with one on its stdout, one at a time. */
export interface LineProcess {
  readonly pid: number;
  /** @throws BespokeError with what the process said if it failed or ended */
  ask<T>(request: Readonly<Record<string, unknown>>): Promise<T>;
  stop(): void;
}

interface Pending {
  readonly resolve: (line: string) => void;
  readonly reject: (error: Error) => void;
}

/** An answer is `{"ok": ...}` or `{"error": "..."}`. */
function read<T>(line: string, name: string): T {
  const answer = JSON.parse(line) as { readonly ok?: T; readonly error?: string };
  if (answer.error !== undefined || answer.ok === undefined) {
    throw new BespokeError('invalid-request', `${name} failed: ${answer.error ?? line}`);
  }
  return answer.ok;
}

/**
 * Starts a program that serves lines.
 * @param name for messages
 * @param env added to this process's environment
 */
export function startLineProcess(
  name: string,
  [command, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string | undefined>>,
): LineProcess {
  const child: ChildProcess = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill); // a benchmark that breaks leaves nothing running
  let pending: Pending | undefined;
  let gone: Error | undefined;
  const settle = (how: (of: Pending) => void): void => {
    const of = pending;
    pending = undefined;
    if (of !== undefined) how(of);
  };
  const end = (why: string): void => {
    gone ??= new BespokeError('invalid-request', `${name} ended: ${why}`);
    settle(({ reject }) => reject(gone ?? new Error(why)));
  };
  child.once('error', (error) => end(error.message));
  child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
  if (child.stdout !== null) createInterface(child.stdout).on('line', (line) => settle(({ resolve }) => resolve(line)));
  return {
    pid: child.pid ?? 0,
    ask: async <T>(request: Readonly<Record<string, unknown>>): Promise<T> => {
      if (gone !== undefined) throw gone;
      const line = await new Promise<string>((resolve, reject) => {
        pending = { resolve, reject };
        child.stdin?.write(`${JSON.stringify(request)}\n`);
      });
      return read<T>(line, name);
    },
    stop: () => {
      process.removeListener('exit', kill);
      kill();
    },
  };
}
