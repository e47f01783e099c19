import { join } from 'node:path';
import { unwrap } from '../src/cli/jobs.js';
import { type BespokeClient, makeClient, type Specialization, waitFor } from '../src/client/client.js';
import { BespokeError } from '../src/common/errors.js';
import type { components } from '../src/generated/openapi.js';
import { makeLatencyModel } from '../src/hardware/latency-model.js';
import { LOCAL_CPU_ID } from '../src/hardware/local-cpu.js';
import { loadProfile } from '../src/hardware/profile-file.js';
import { makeCostTable } from '../src/space/cost-table.js';
import { parseSpace } from '../src/space/parse-space.js';
import type { Constraints } from '../src/specialize/types.js';
import type { BudgetSource } from './budgets-draw.js';
import type { ServerProcess } from './server-process.js';

/** A server's first supernet, and what budgets for it are drawn from. */
export interface Subject extends BudgetSource {
  readonly client: BespokeClient;
  readonly url: string;
  readonly supernetId: string;
}

/** Asks a server for its first supernet, and reads the latency profile that it keeps. */
export async function openSubject({ url, dataDir }: ServerProcess): Promise<Subject> {
  const client = makeClient(url);
  const [supernet] = unwrap(await client.GET('/v1/supernets')).items;
  if (supernet === undefined) throw new BespokeError('bundle-invalid', 'the server has no supernet');
  const space = parseSpace(supernet.space, supernet.id);
  const profile = await loadProfile(join(dataDir, 'hardware'), LOCAL_CPU_ID, space.id);
  if (profile === undefined)
    throw new BespokeError('no-latency-data', `${dataDir} has no latency profile of "${space.id}"`);
  const latency = makeLatencyModel(space, profile);
  return { client, url, supernetId: supernet.id, space, costs: makeCostTable(space), latency };
}

export interface JobRequest {
  readonly constraints: Constraints;
  readonly seed: number;
  readonly evaluations: number;
  /** How often the row is looked at, ms: what `seconds` may be too long by. */
  readonly pollMs: number;
  /** Cancels the job when it aborts. */
  readonly signal?: AbortSignal;
}

/** A job that ended, in whatever way. */
export interface FinishedJob {
  readonly row: Specialization;
  /** From sending the POST to the answer that says that it ended. */
  readonly seconds: number;
}

/** POSTs a request and follows it to its end. */
export async function runJob(subject: Subject, request: JobRequest): Promise<FinishedJob> {
  const { client, supernetId } = subject;
  const { constraints, seed, evaluations, pollMs, signal } = request;
  const start = performance.now();
  const body = { supernetId, constraints, seed, search: { evaluations } };
  const { id } = unwrap(await client.POST('/v1/specializations', { body }));
  const cancel = (): void => void client.POST('/v1/specializations/{id}/cancel', { params: { path: { id } } });
  if (signal?.aborted) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  const row = await waitFor(client, id, { pollMs });
  signal?.removeEventListener('abort', cancel);
  return { row, seconds: (performance.now() - start) / 1000 };
}

/** What the report of a job that succeeded says of its way: stages' seconds, and the candidates that were cut and measured. */
export async function wayOf({ client }: Subject, id: string) {
  const report: unknown = unwrap(await client.GET('/v1/specializations/{id}/report', { params: { path: { id } } }));
  const { timings, rejected } = report as components['schemas']['Report']; // the page is sent to who asks for HTML alone
  return { timings, candidatesTried: rejected.length + 1 };
}
