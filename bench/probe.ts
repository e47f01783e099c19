import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from './statistics.js';

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How fast a URL answered requests that were sent at a fixed rate. */
export interface Probe {
  readonly sent: number;
  /** Not answered with 200. */
  readonly failed: number;
  /** From sending a request to the end of its answer, ms. */
  readonly answeredMs: Percentiles;
  /** From the time at which a request was due: a server that stops answering holds no request back (and this process's own lateness counts). */
  readonly fromPlannedMs: Percentiles;
}

const TIMEOUT_MS = 10_000;

/** Sends one GET and reads its answer. @returns whether it was a 200 */
function ask(url: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, { agent, timeout: TIMEOUT_MS }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('error', () => resolve(false));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
  });
}

const percentiles = (values: readonly number[]): Percentiles => ({
  p50: quantile(values, 0.5),
  p99: quantile(values, 0.99),
  max: quantile(values, 1),
});

/** Sends requests at a fixed rate, whether the ones before were answered or not. */
export async function probe(
  url: string,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Probe> {
  const agent = new Agent({ keepAlive: true });
  const answered: number[] = [];
  const fromPlanned: number[] = [];
  let failed = 0;
  const start = performance.now();
  const probeAt = async (planned: number): Promise<void> => {
    await delay(Math.max(0, planned - performance.now()));
    const sentAt = performance.now();
    const isOk = await ask(url, agent);
    const endedAt = performance.now();
    if (!isOk) failed++;
    answered.push(endedAt - sentAt);
    fromPlanned.push(endedAt - Math.min(planned, sentAt)); // a timer may be a little early
  };
  const sent = Math.round(perSecond * seconds);
  await Promise.all(Array.from({ length: sent }, (_, i) => probeAt(start + (i * 1000) / perSecond)));
  agent.destroy();
  return { sent, failed, answeredMs: percentiles(answered), fromPlannedMs: percentiles(fromPlanned) };
}
