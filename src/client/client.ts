import createClient, { type Client } from 'openapi-fetch';
import type { components, paths } from '../generated/openapi.js';

export type BespokeClient = Client<paths>;
export type Specialization = components['schemas']['Specialization'];
export type CreateSpecialization = components['schemas']['CreateSpecialization'];
export type ProblemBody = components['schemas']['Problem'];

/** An answer that is a problem, with its object; `message` is the problem's sentence. */
export class ProblemError extends Error {
  readonly problem: ProblemBody;

  constructor(problem: ProblemBody) {
    super(problem.detail);
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/**
 * A typed client of the HTTP API; runs in browsers and in Node.
 * @param baseUrl where the server is, without `/v1`
 */
export function makeClient(baseUrl: string): BespokeClient {
  return createClient<paths>({ baseUrl: baseUrl.replace(/\/+$/, '') });
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of every look that found something new. */
  readonly onProgress?: ((row: Specialization) => void) | undefined;
  /** Milliseconds between two looks; by default what the server's `Retry-After` says. */
  readonly pollMs?: number | undefined;
}

const DEFAULT_POLL_MS = 1000;

/**
 * Follows a specialization until it succeeded, failed or was canceled.
 * @returns the finished row; look at its `status`
 * @throws ProblemError when the server answers with a problem; the signal's reason when it is aborted
 */
export async function waitFor(client: BespokeClient, id: string, options: WaitOptions = {}): Promise<Specialization> {
  const { signal, onProgress, pollMs } = options;
  let told = '';
  for (;;) {
    signal?.throwIfAborted();
    const { data, error, response } = await client.GET('/v1/specializations/{id}', {
      params: { path: { id } },
      ...(signal === undefined ? {} : { signal }),
    });
    if (error !== undefined) throw new ProblemError(error);
    const row = data as Specialization; // no 304 without If-None-Match, so a row or a problem
    const state = JSON.stringify(row);
    if (state !== told) onProgress?.(row);
    told = state;
    if (row.status !== 'queued' && row.status !== 'running') return row;
    const retryAfterMs = Number(response.headers.get('Retry-After')) * 1000 || DEFAULT_POLL_MS;
    await pause(pollMs ?? retryAfterMs, signal);
  }
}

/** A wait that an abort ends with the signal's reason. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    signal?.addEventListener('abort', aborted, { once: true });
  });
}
