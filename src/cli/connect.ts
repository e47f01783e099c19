import { type BespokeClient, makeClient } from '../client/client.js';
import { BespokeError } from '../common/errors.js';
import type { Config } from '../config.js';
import { readServerUrl } from '../store/data-dir.js';
import type { Terminal } from './terminal.js';

/** A client, and where its server is. */
export interface Connection {
  readonly client: BespokeClient;
  readonly url: string;
}

/**
 * Runs `work` against a server: the one that was named, else the one that runs on the data folder, else an own one on the embedded default
 * that ends with the command.
 */
export async function withServer<T>(
  config: Config,
  terminal: Terminal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const running = config.serverUrl ?? (await readServerUrl(config.dataDir));
  if (running !== undefined) {
    try {
      return await work({ client: makeClient(running), url: running });
    } catch (error) {
      throw isUnreachable(error)
        ? new BespokeError('invalid-request', `no server answers at ${running}`, {}, error)
        : error;
    }
  }
  // Loaded late: most commands need neither database nor HTTP.
  const { startServer } = await import('../server.js');
  const server = await startServer(
    { ...config, host: '127.0.0.1', port: 0, logLevel: config.logLevel === 'info' ? 'warn' : config.logLevel },
    { onStep: (step, progress) => progress !== undefined && terminal.progress(step, progress) },
  );
  try {
    return await work({ client: makeClient(server.url), url: server.url });
  } finally {
    terminal.endProgress();
    await server.close();
  }
}

/** fetch reports whatever kept it from an answer as a TypeError with the reason as its cause. */
function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && error.cause instanceof Error;
}
