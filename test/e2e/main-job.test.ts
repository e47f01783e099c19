import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as web from 'onnxruntime-web';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProblemBody, Specialization } from '../../src/client/client.js';
import { sha256 } from '../../src/common/hash.js';
import type { components } from '../../src/generated/openapi.js';
import { createSession } from '../../src/runtime/session.js';
import { maxArch, minArch } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import type { Report } from '../../src/specialize/types.js';
import { bodyOf, endAll, post, type ServerProcess, startServer } from '../helpers/server-process.js';
import { randomImages } from '../helpers/supernets.js';
import { saveTinyProfile, TINY_SPACE, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** One server and one finished job; every test looks at another side of it. */
let scratch: string;
let server: ServerProcess;
let row: Specialization;
let report: Report;

const MAX_MACS = Math.round(archCosts(TINY_SPACE, maxArch(TINY_SPACE)).macs / 2);
const BODY = {
  constraints: { maxMacs: MAX_MACS, maxLatencyMs: 1000, maxModelBytes: 1_000_000 },
  seed: 7,
  labels: { target: 'kiosk' },
  search: { evaluations: 2000 },
};

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  const options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  await Promise.all([writeTinyBundle(options.models), saveTinyProfile(options.dataDir)]);
  server = await startServer(options);
  row = await post(server.url, BODY, 60);
  report = await bodyOf<Report>(await fetch(`${server.url}/v1/specializations/${row.id}/report`));
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

const fetchPath = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${server.url}${path}`, { headers });
const resultOf = ({ result, status, problem }: Specialization) => {
  if (result === null || result === undefined) throw new Error(`${status}: ${JSON.stringify(problem)}`);
  return result;
};
const modelOf = async (): Promise<Uint8Array> =>
  new Uint8Array(await (await fetchPath(`/v1/specializations/${row.id}/model.onnx`)).arrayBuffer());

describe('a specialization over HTTP', () => {
  it('succeeds, keeps every limit by what was measured, and shows its defaults', () => {
    expect(row).toMatchObject({ status: 'succeeded', stage: null, progress: 1, attempt: 1, problem: null });
    expect(row.request).toMatchObject({
      supernetId: 'tiny',
      hardwareId: 'local-cpu',
      seed: 7,
      constraints: { ...BODY.constraints, latencyStatistic: 'p50' },
      verify: { latency: 'measured' },
      labels: { target: 'kiosk' },
    });
    const { checks, measured, predicted } = resultOf(row);
    expect(checks.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['structure', 'passed'],
      ['parity', 'passed'],
      ['maxLatencyMs', 'passed'],
      ['maxMacs', 'passed'],
      ['maxModelBytes', 'passed'],
    ]);
    expect(measured.macs).toBeLessThanOrEqual(MAX_MACS);
    expect(measured.macs).toBe(predicted.macs);
    expect(measured.measuredLatency?.highMs).toBeGreaterThan(0);
    expect(measured.parityRelative).toBeLessThan(1e-4);
    expect(measured.modelBytes).toBeLessThanOrEqual(predicted.modelBytes * 1.01);
  });

  it('gives the model with its digest, in ranges, and not again to whom has it', async () => {
    const { artifact } = resultOf(row);
    const redirect = await fetch(`${server.url}/v1/specializations/${row.id}/model.onnx`, { redirect: 'manual' });
    expect([redirect.status, redirect.headers.get('location')]).toEqual([303, `/v1/models/${artifact.sha256}.onnx`]);
    const path = `/v1/models/${artifact.sha256}.onnx`;
    const whole = await fetchPath(path);
    const bytes = new Uint8Array(await whole.arrayBuffer());
    expect(sha256(bytes)).toBe(artifact.sha256);
    expect(bytes.byteLength).toBe(resultOf(row).measured.modelBytes);
    const tag = `"${artifact.sha256}"`;
    const digest = Buffer.from(artifact.sha256, 'hex').toString('base64');
    expect(whole.headers.get('etag')).toBe(tag);
    expect(whole.headers.get('repr-digest')).toBe(`sha-256=:${digest}:`);
    expect((await fetchPath(path, { 'If-None-Match': tag })).status).toBe(304);

    const cuts = [0, 1, 1000, bytes.byteLength];
    const parts = await Promise.all(
      cuts.slice(1).map(async (end, index) => {
        const part = await fetchPath(path, { Range: `bytes=${cuts[index]}-${end - 1}` });
        expect(part.status).toBe(206);
        expect(part.headers.get('content-range')).toBe(`bytes ${cuts[index]}-${end - 1}/${bytes.byteLength}`);
        return Buffer.from(await part.arrayBuffer());
      }),
    );
    expect(sha256(Buffer.concat(parts))).toBe(artifact.sha256);
    const last = await fetchPath(path, { Range: 'bytes=-10' });
    expect(Buffer.from(await last.arrayBuffer())).toEqual(Buffer.from(bytes.slice(-10)));
    const beyond = await fetchPath(path, { Range: `bytes=${bytes.byteLength}-` });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${bytes.byteLength}`]);
  });

  it('gives a model that both runtimes run alike, at any batch size', async () => {
    const model = await modelOf();
    const { resolution } = resultOf(row).arch;
    const session = await createSession(model, { threads: 1, optimization: 'all' });
    web.env.wasm.numThreads = 1;
    const webSession = await web.InferenceSession.create(model, { executionProviders: ['wasm'] });
    for (const count of [1, 5]) {
      const input = randomImages(count, 1, resolution, count);
      const native = (await session.run({ input })).logits?.data as Float32Array; // `logits` is float32 by contract
      const tensor = new web.Tensor('float32', input.data, input.dims);
      const other = (await webSession.run({ input: tensor })).logits?.data as Float32Array;
      expect(native).toHaveLength(count * TINY_SPACE.classes);
      expect(other).toHaveLength(native.length);
      const largest = Math.max(...native.map(Math.abs));
      expect(largest).toBeGreaterThan(1e-3);
      expect(Math.max(...native.map((value, i) => Math.abs(value - (other[i] ?? 0)))) / largest).toBeLessThan(1e-4);
    }
    await Promise.all([session.release(), webSession.release()]);
  });

  it('has a report: data whose layers add up, and a page with its plots that loads nothing from elsewhere', async () => {
    const { macs } = resultOf(row).measured;
    expect(report.delivered.archId).toBe(resultOf(row).archId);
    expect(report.layers.reduce((sum, layer) => sum + layer.macs, 0)).toBe(macs);
    expect(report.artifact).toEqual(resultOf(row).artifact);
    expect(report.searchHistory.at(-1)?.evaluations).toBe(2000);
    const page = await fetchPath(`/v1/specializations/${row.id}/report`, { Accept: 'text/html' });
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    const html = await page.text();
    expect(html.match(/<svg/g)?.length).toBeGreaterThanOrEqual(3);
    expect(html).toContain(resultOf(row).artifact.sha256);
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
  });

  it('has a front as data, table and plot, no candidate of which is dominated', async () => {
    const path = `/v1/specializations/${row.id}/front`;
    const { candidates, deliveredArchId } = await bodyOf<components['schemas']['Front']>(await fetchPath(path));
    expect(deliveredArchId).toBe(resultOf(row).archId);
    expect(candidates).toEqual(report.paretoFront);
    const figures = report.paretoFront.map(({ predictedTop1, predictedLatencyMs = 0 }) => [
      predictedTop1,
      predictedLatencyMs,
    ]);
    expect(figures.length).toBeGreaterThan(2);
    for (const [top1 = 0, ms = 0] of figures)
      expect(figures.filter(([t = 0, m = 0]) => t >= top1 && m <= ms)).toHaveLength(1);
    const csv = await (await fetchPath(path, { Accept: 'text/csv' })).text();
    expect(csv.trim().split(/\r?\n/)).toHaveLength(candidates.length + 1);
    const svg = await fetchPath(path, { Accept: 'image/svg+xml' });
    expect(svg.headers.get('content-type')).toMatch(/^image\/svg\+xml/);
    expect(await svg.text()).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
  });

  it('is told as events to the last one, and not again to whom has seen it', async () => {
    const { id } = await post(server.url, { ...BODY, seed: 8, labels: {} });
    const stream = await fetchPath(`/v1/specializations/${id}/events`);
    const events = (await stream.text()).split('\n\n').flatMap((text) => {
      const [, name] = /^event: (.*)$/m.exec(text) ?? [];
      const [, eventId = ''] = /^id: (.*)$/m.exec(text) ?? [];
      const [, data = 'null'] = /^data: (.*)$/m.exec(text) ?? [];
      return name === undefined ? [] : [{ name, eventId, data: JSON.parse(data) as Specialization }];
    });
    expect(events.at(-1)?.name).toBe('succeeded');
    // Fronts are told while a search lasts, and have no id: who missed one gets a later one.
    const states = events.filter(({ name }) => name !== 'front');
    expect(states.slice(0, -1).filter(({ name }) => name !== 'queued' && name !== 'progress')).toEqual([]);
    expect(new Set(states.map(({ eventId }) => eventId)).size).toBe(states.length);
    expect(events.at(-1)?.data.result?.artifact.sha256).toMatch(/^[0-9a-f]{64}$/);
    const again = await fetchPath(`/v1/specializations/${id}/events`, {
      'Last-Event-ID': events.at(-1)?.eventId ?? '',
    });
    expect(again.status).toBe(204);
  });

  it('is predicted by an estimate as it was by the search', async () => {
    const { arch, predicted } = resultOf(row);
    const response = await fetch(`${server.url}/v1/estimates`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ archs: [arch], constraints: { maxMacs: 1 } }),
    });
    const { candidates, feasibility } = await bodyOf<components['schemas']['Estimate']>(response);
    expect(candidates[0]).toMatchObject({
      archId: predicted.archId,
      macs: predicted.macs,
      predictedLatencyMs: predicted.predictedLatencyMs,
    });
    expect(candidates[0]?.predictedTop1).toBeCloseTo(predicted.predictedTop1, 6);
    const smallest = archCosts(TINY_SPACE, { ...minArch(TINY_SPACE), resolution: 8 }).macs;
    expect(feasibility).toMatchObject({
      verdict: 'infeasible',
      binding: ['maxMacs'],
      nearestFeasible: { maxMacs: smallest },
    });
  });
});

describe('the answer as it is kept', () => {
  it('says what a little more of each limit would buy', () => {
    expect(report.moreBudget).toEqual(row.result?.moreBudget);
    expect(report.moreBudget?.map(({ id, figure }) => [id, figure])).toEqual([
      ['maxLatencyMs', 'predictedTop1'],
      ['maxMacs', 'predictedTop1'],
      ['maxModelBytes', 'predictedTop1'],
    ]);
    for (const { id, limit, relaxedLimit, from, to, evaluations } of report.moreBudget ?? []) {
      expect(limit).toBe(row.request.constraints[id]);
      expect(relaxedLimit).toBeGreaterThan(limit);
      expect(to).toBeGreaterThanOrEqual(from);
      expect(from).toBeGreaterThanOrEqual(report.paretoFront.at(-1)?.predictedTop1 ?? 1);
      expect(evaluations).toBeGreaterThan(0);
    }
  });

  it('answers an equal request at once, with the same model under another id', async () => {
    const again = await post(server.url, { ...BODY, labels: { target: 'other' } });
    expect(again).toMatchObject({ status: 'succeeded', storedAnswerOf: row.id, result: row.result, attempt: 0 });
    const model = await fetch(`${server.url}/v1/specializations/${again.id}/model.onnx`);
    expect(sha256(new Uint8Array(await model.arrayBuffer()))).toBe(row.result?.artifact.sha256);
    const fresh = await post(server.url, { ...BODY, search: { ...BODY.search, fresh: true } }, 60);
    expect(fresh).toMatchObject({ status: 'succeeded', storedAnswerOf: null, attempt: 1 });
    expect(fresh.result?.archId).toBe(row.result?.archId);
  });
});

describe('what cannot be met', () => {
  it('is refused at once where no network comes near the accuracy', async () => {
    const response = await fetch(`${server.url}/v1/specializations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ constraints: { minTop1: 0.9999 } }),
    });
    expect(response.status).toBe(422);
    const { code, binding, nearestFeasible } = await bodyOf<ProblemBody>(response);
    expect([code, binding]).toEqual(['infeasible-constraints', ['minTop1']]);
    expect(nearestFeasible?.minTop1).toBeLessThan(0.9999);
  });

  it('is refused at once where bounds prove it: what binds and what is nearest', async () => {
    const response = await fetch(`${server.url}/v1/specializations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ constraints: { maxLatencyMs: 1e-9 } }),
    });
    expect(response.status).toBe(422);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    const problem = await bodyOf<ProblemBody>(response);
    expect(problem).toMatchObject({ code: 'infeasible-constraints', binding: ['maxLatencyMs'] });
    // The nearest value is one that can be met.
    const nearest = problem.nearestFeasible?.maxLatencyMs ?? 0;
    const asked = {
      constraints: { maxLatencyMs: nearest },
      verify: { latency: 'skip' as const },
      search: { evaluations: 1000 },
    };
    expect((await post(server.url, asked, 60)).status).toBe('succeeded');
  });

  it('fails the job where only a search can tell, with the same problem', async () => {
    // What large networks reach, and small ones do not.
    const beyond = { minTop1: 0.88, maxMacs: archCosts(TINY_SPACE, minArch(TINY_SPACE)).macs };
    const failed = await post(server.url, { constraints: beyond, search: { evaluations: 1000 } }, 60);
    expect(failed).toMatchObject({
      status: 'failed',
      result: null,
      problem: {
        code: 'infeasible-constraints',
        binding: ['minTop1'],
        nearestFeasible: { minTop1: expect.any(Number) },
      },
    });
    const model = await fetchPath(`/v1/specializations/${failed.id}/model.onnx`);
    expect([model.status, (await bodyOf<ProblemBody>(model)).code]).toEqual([409, 'conflict']);
  });
});
