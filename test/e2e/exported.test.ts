import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { measureLatency } from '../../src/evaluate/latency.js';
import { decodeModel } from '../../src/onnx/codec.js';
import { createSession } from '../../src/runtime/session.js';
import { specialize, type Workbench } from '../../src/specialize/specialize.js';
import type { Outcome, Report, SpecializationRequest } from '../../src/specialize/types.js';
import { fillExport } from '../../src/supernet/export-options.js';
import { openWorkbench } from '../../src/workbenches.js';
import { randomImages } from '../helpers/supernets.js';
import { saveTinyProfile, writeTinyBundle } from '../helpers/tiny-bundle.js';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let scratch: string;
let bench: Workbench;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-exported-'));
  const dataDir = join(scratch, 'data');
  const [dir] = await Promise.all([writeTinyBundle(join(scratch, 'models')), saveTinyProfile(dataDir)]);
  bench = await openWorkbench(dir, { dataDir, onProgress: () => {}, onProfiled: () => {} });
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const REQUEST: SpecializationRequest = {
  supernetId: 'tiny',
  hardwareId: 'local-cpu',
  constraints: { maxMacs: 60_000 },
  objective: 'accuracy',
  seed: 1,
  search: { evaluations: 1000 },
  verify: { latency: 'skip' },
  labels: {},
};

function run(changes: Partial<SpecializationRequest>, on: Workbench = bench): Promise<Outcome> {
  const claim = { id: 'a', attempt: 1, createdAt: '2026-01-01T00:00:00.000Z', request: { ...REQUEST, ...changes } };
  return specialize(on, claim, { signal: new AbortController().signal, onProgress: () => {} });
}

async function succeeded(
  changes: Partial<SpecializationRequest>,
  on?: Workbench,
): Promise<{ report: Report; model: Uint8Array }> {
  const outcome = await run(changes, on);
  if (outcome.status !== 'succeeded') throw new Error(JSON.stringify(outcome.problem));
  return outcome;
}

describe('a request with export options', () => {
  it('delivers the same network, written so, and verifies what it delivers', async () => {
    const plain = await succeeded({});
    const exported = fillExport({ batch: 3, softmax: true, normalize: 'bytes', opset: 13 });
    const { report, model } = await succeeded({ export: exported });
    expect(report.delivered.archId).toBe(plain.report.delivered.archId);
    expect(report.request.export).toEqual(exported);
    const { graph, opsets, metadata } = decodeModel(model);
    expect(graph.inputs[0]?.dims[0]).toBe(3);
    expect(graph.outputs[0]?.name).toBe('probabilities');
    expect(opsets).toEqual({ '': 13 });
    expect(report.artifact).toMatchObject({ opset: 13, bytes: model.length });
    expect(report.input).toMatchObject({ range: [0, 255], mean: [0], std: [1] });
    expect(JSON.parse(metadata['bespoke.input'] ?? '{}')).toMatchObject({ range: [0, 255], mean: [0], std: [1] });
    // what was measured is of this model, and of one image where a figure is
    expect(report.checks.find(({ id }) => id === 'parity')?.outcome).toBe('passed');
    expect(report.measured.macs).toBe(plain.report.measured.macs);
    expect(report.measured.measuredTop1).toBe(plain.report.measured.measuredTop1);
    expect(report.measured.modelBytes).toBe(model.length);
    expect(report.measured.peakMemoryBytes).toBeGreaterThanOrEqual(3 * plain.report.measured.peakMemoryBytes);
    const session = await createSession(model, { threads: 1, optimization: 'all' });
    const side = report.delivered.arch.resolution;
    await expect(session.run({ input: randomImages(1, 1, side, 1) })).rejects.toThrow();
    const { probabilities } = await session.run({ input: randomImages(3, 1, side, 1) });
    expect(probabilities?.dims).toEqual([3, 4]);
    await session.release();
  });

  it('keeps a limit on model bytes for the model that is written so', async () => {
    const { report } = await succeeded({});
    const limit = report.measured.modelBytes;
    const constraints = { maxModelBytes: limit };
    const plain = await succeeded({ constraints });
    const options = fillExport({ softmax: true, normalize: 'bytes' });
    const written = await succeeded({ constraints, export: options });
    expect(written.model.length).toBeLessThanOrEqual(limit);
    expect(written.report.delivered.modelBytes).toBeLessThanOrEqual(limit);
    expect(written.report.delivered.modelBytes).toBeGreaterThanOrEqual(written.model.length);
    expect(written.report.rejected).toEqual([]);
    expect(plain.model.length).toBeLessThanOrEqual(limit);
  });

  it('measures the latency of what it delivers, and none where a run is of several images', async () => {
    const seen: Uint8Array[] = [];
    const measuring = {
      ...bench.measuring,
      latency: (model: Uint8Array) => {
        seen.push(model);
        return measureLatency(model, { minSamples: 60, maxMs: 5 });
      },
    };
    const on = { ...bench, measuring };
    const verify = { latency: 'measured' } as const;
    const one = await succeeded({ verify, export: fillExport({ batch: 1, softmax: true }) }, on);
    expect(one.report.measured.measuredLatency?.valueMs).toBeGreaterThan(0);
    expect(seen.map((model) => Buffer.from(model).equals(one.model))).toEqual([true]);
    const several = await succeeded({ verify, export: fillExport({ batch: 2 }) }, on);
    expect(several.report.measured).not.toHaveProperty('measuredLatency');
    expect(seen).toHaveLength(1);
  });
});
