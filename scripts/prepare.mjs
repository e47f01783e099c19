// Runs after `npm install`: makes the Prisma client and compiles src/ to dist/.
// `prisma generate` does not use the schema engine but wants one to exist, and would download it;
// naming any existing file keeps the install working without a network.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

function run(command, args, env = {}) {
  const result = spawnSync(process.execPath, [`node_modules/${command}`, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (result.status !== 0) {
    console.error(`prepare: ${command} ${args.join(' ')} failed`);
    process.exit(result.status ?? 1);
  }
}

if (existsSync('prisma/schema.prisma')) {
  run('prisma/build/index.js', ['generate', '--no-hints'], {
    PRISMA_SCHEMA_ENGINE_BINARY: process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  });
}
run('typescript/bin/tsc', ['-p', 'tsconfig.json']);
