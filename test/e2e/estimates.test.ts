import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { components } from '../../src/generated/openapi.js';
import { minArch } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import { bodyOf, endAll, type ServerProcess, startServer } from '../helpers/server-process.js';
import { saveTinyProfile, TINY_SPACE, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let scratch: string;
let server: ServerProcess;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  const options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  await Promise.all([writeTinyBundle(options.models), saveTinyProfile(options.dataDir)]);
  server = await startServer(options);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

async function ask(constraints: Readonly<Record<string, number>>) {
  const response = await fetch(`${server.url}/v1/estimates`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ constraints }),
  });
  return (await bodyOf<components['schemas']['Estimate']>(response)).feasibility;
}

describe('limits on costs and on the accuracy that exclude each other', () => {
  it('an estimate says what a limit would have to be for an accuracy, and that none helps beyond every network', async () => {
    const { macs } = archCosts(TINY_SPACE, minArch(TINY_SPACE));
    const found = await ask({ minTop1: 0.88, maxMacs: macs });
    expect(found).toMatchObject({ verdict: 'unknown', binding: ['maxMacs', 'minTop1'] });
    const { maxMacs = 0, minTop1 = 1 } = found?.nearestFeasible ?? {};
    expect(maxMacs).toBeGreaterThan(macs);
    expect(minTop1).toBeLessThan(0.88);
    expect((await ask({ minTop1, maxMacs: macs }))?.verdict).toBe('feasible');
    // A little more than the smallest, which another search need not find.
    const met = await ask({ minTop1: 0.88, maxMacs: Math.ceil(1.2 * maxMacs) });
    expect(met?.verdict).toBe('feasible');
    expect(met?.witness?.predictedTop1).toBeGreaterThanOrEqual(0.88);
    const beyond = await ask({ minTop1: 0.9999, maxMacs: macs });
    expect(beyond).toMatchObject({ verdict: 'unknown', binding: ['minTop1'] });
    expect(Object.keys(beyond?.nearestFeasible ?? {})).toEqual(['minTop1']);
  });

  it('the same of latencies', async () => {
    const smallest = (await ask({ maxLatencyMs: 1e-6 }))?.smallestAlone.maxLatencyMs ?? Number.NaN;
    const found = await ask({ minTop1: 0.88, maxLatencyMs: 1.5 * smallest });
    expect(found).toMatchObject({ verdict: 'unknown', binding: ['maxLatencyMs', 'minTop1'] });
    const nearest = found?.nearestFeasible.maxLatencyMs ?? 0;
    expect(nearest).toBeGreaterThan(1.5 * smallest);
    expect((await ask({ minTop1: 0.88, maxLatencyMs: 1.2 * nearest }))?.verdict).toBe('feasible');
  });
});
