import type { Command } from 'commander';
import { type Config, readConfig } from '../config.js';
import { makeTerminal, type Terminal } from './terminal.js';

/** What every command gets: its terminal, the configuration, and a place for its exit code. */
export interface Invocation {
  readonly terminal: Terminal;
  readonly config: Config;
}

export type CommandOptions = Readonly<Record<string, unknown>>;

/** Wraps a command's work: reads the configuration once, keeps the exit code. Heavy modules are imported by the work itself. */
export function run<T extends CommandOptions>(
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
    process.exitCode = await work(invocation, options, command.args);
  };
}
