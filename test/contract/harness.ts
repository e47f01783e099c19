import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeApp } from '../../src/api/app.js';
import type { ApiSettings } from '../../src/api/ports.js';
import { makeServer } from '../../src/api/server.js';
import { type MemoryPorts, makeMemoryPorts } from './in-memory-ports.js';

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface Answer {
  readonly method: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly bytes: Buffer;
  readonly text: string;
}

export interface Served extends MemoryPorts {
  readonly url: string;
  readonly port: number;
  ask(asked: Asked): Promise<Answer>;
  /** POSTs JSON. */
  post(path: string, body: unknown, headers?: Asked['headers']): Promise<Answer>;
  stop(): Promise<void>;
}

function flat(headers: IncomingHttpHeaders): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

/** The API on a loopback port over ports in memory. */
export async function serve(settings: Partial<ApiSettings> = {}): Promise<Served> {
  const ports = makeMemoryPorts();
  const { deps } = ports;
  const server = makeServer(makeApp({ ...deps, settings: { ...deps.settings, ...settings } }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server has one
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const ask = ({ method = 'GET', path, headers = {}, body }: Asked): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method, path, agent, headers: { ...headers } }, (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const bytes = Buffer.concat(chunks);
          resolve({
            method,
            status: res.statusCode ?? 0,
            headers: flat(res.headers),
            bytes,
            text: bytes.toString('utf8'),
          });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  return {
    ...ports,
    url: `http://127.0.0.1:${port}`,
    port,
    ask,
    post: (path, body, headers = {}) =>
      ask({
        method: 'POST',
        path,
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json', ...headers },
      }),
    stop: () =>
      new Promise((resolve) => {
        agent.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
