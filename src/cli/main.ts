#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ProblemError } from '../client/client.js';
import { BespokeError } from '../common/errors.js';
import { VERSION } from '../version.js';
import { EXIT } from './arguments.js';
import { addFinetuning } from './commands/finetuning.js';
import { addHardware } from './commands/hardware.js';
import { addSupernetImport, addSupernetInit, addSupernetList } from './commands/imports.js';
import { addJobs } from './commands/jobs.js';
import { addOffline } from './commands/offline.js';
import { addOwnData } from './commands/own-data.js';
import { addServing } from './commands/serving.js';
import { addSupernetSort } from './commands/sorting.js';
import { addSpaces } from './commands/spaces.js';
import { addTraining } from './commands/training.js';

/** What commander says of a refused value, as one sentence: which option, what it must be, what was given. */
function sentenceOf(text: string): string {
  return text
    .replace(/^error: /, '')
    .replace(/^option '(?:-\w, )?(--[\w-]+)[^']*' argument '.*' is invalid\. it must be /s, '$1 must be ')
    .replace(
      /^option '(?:-\w, )?(--[\w-]+)[^']*' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/ms,
      '$1 must be one of $3, got "$2".',
    );
}

function makeProgram(): Command {
  const program = new Command('bespoke')
    .description('Cut from one trained network the sub-network that fits a device.')
    .version(VERSION)
    .option('--json', 'one JSON value on stdout, nothing else there')
    .option('--server <url>', 'use this running server')
    .option('--data-dir <dir>', 'database, latency profiles, lock file')
    .option(
      '--models <dirs>',
      'folders with bundles instead of the package\'s, separated by ":"; repeatable',
      (dirs: string, earlier?: string) => (earlier === undefined ? dirs : `${earlier}:${dirs}`),
    )
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(sentenceOf(text)) });
  addServing(program);
  addJobs(program);
  addSpaces(program);
  addOffline(program);
  addHardware(program);
  addTraining(program);
  addOwnData(program);
  addFinetuning(program);
  const supernet = program.command('supernet').description('supernets');
  addSupernetImport(supernet);
  addSupernetInit(supernet);
  addSupernetList(supernet);
  addSupernetSort(supernet);
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

// Whoever reads the output may stop doing so (`bespoke search … | head`): that ends the command, it is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

try {
  await makeProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  } else {
    process.stderr.write(`${explain(error)}\n`);
    for (const [name, value] of Object.entries(nearestOf(error)))
      process.stderr.write(`  nearest ${name} that can be met: ${value}\n`);
    process.exitCode = codeFor(error);
  }
}
