import type { Command } from 'commander';
import { port } from '../arguments.js';
import { run } from '../invoke.js';

/** `serve` and `worker`: processes that stay. */
export function addServing(program: Command): void {
  program
    .command('serve')
    .description('the API, one child for the numeric work, embedded database')
    .option('--port <n>', 'port to listen on; 0 takes a free one', port)
    .action(
      run(async (invocation) => (await import('../serve.js')).serveCommand(invocation.terminal, invocation.config)),
    );
  program
    .command('worker')
    .description('a worker only; needs REDIS_URL and DATABASE_URL')
    .action(
      run(async (invocation) => (await import('../serve.js')).workerCommand(invocation.terminal, invocation.config)),
    );
}
