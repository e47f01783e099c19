import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { BespokeError } from '../src/common/errors.js';

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new BespokeError('internal', 'there is no free port');
  return address.port;
}

export interface RedisProcess {
  readonly url: string;
  stop(): void;
}

/** Starts a Redis that keeps nothing and takes connections from this machine alone. @throws BespokeError where there is no redis-server */
export async function startRedisProcess(): Promise<RedisProcess> {
  const port = await freePort();
  const args = ['--port', String(port), '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1'];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill); // a benchmark that breaks leaves nothing running
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => reject(new BespokeError('invalid-request', `redis-server: ${why}`));
    child.once('error', ({ message }) => fail(`${message}; install it, or name a Redis with REDIS_URL`));
    child.once('exit', (code) => fail(`it ended with the exit code ${code}`));
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString('utf8').includes('Ready to accept connections')) resolve();
    });
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    stop: () => {
      process.removeListener('exit', kill);
      kill();
    },
  };
}
