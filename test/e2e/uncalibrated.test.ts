import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProblemBody, Specialization } from '../../src/client/client.js';
import type { components } from '../../src/generated/openapi.js';
import type { Report } from '../../src/specialize/types.js';
import { loadBundle } from '../../src/supernet/bundle.js';
import {
  bodyOf,
  type CliOptions,
  endAll,
  post,
  runCli,
  type ServerProcess,
  startServer,
} from '../helpers/server-process.js';
import { writeShapeImages } from '../helpers/shape-images.js';
import { saveTinyProfile, writeTinyBundle } from '../helpers/tiny-bundle.js';

// Real processes: on a busy machine the start of each can take many seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const BODY = {
  constraints: { maxMacs: 100_000, minTop1: 0.5 },
  search: { evaluations: 1000 },
  verify: { latency: 'skip' },
} as const;
const NOT_CALIBRATED = /^Batch-normalization statistics were not calibrated: the bundle has no calibration images/;
const NO_ACCURACY = /^No accuracy was measured: the bundle has no labeled verification images; top-1 is predicted\.$/;

/** A server of a bundle without images (`bare`) and one without images or predictor (`mute`). */
let scratch: string;
let options: CliOptions;
let server: ServerProcess;
let row: Specialization;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'bespoke-e2e-'));
  options = { dataDir: join(scratch, 'data'), models: join(scratch, 'models') };
  const none = { calibrationImages: 0, verificationImages: 0 };
  await Promise.all([
    writeTinyBundle(options.models, { id: 'bare', ...none }),
    writeTinyBundle(options.models, { id: 'mute', ...none, hasPredictor: false }),
    saveTinyProfile(options.dataDir),
  ]);
  server = await startServer(options);
  row = await post(server.url, { supernetId: 'bare', ...BODY }, 60);
});
afterAll(async () => {
  await endAll(scratch);
  await rm(scratch, { recursive: true, force: true });
});

describe('a specialization from a bundle without images', () => {
  it('succeeds; what was not calibrated or measured is a check with its reason, and top-1 is predicted alone', () => {
    expect(row.status).toBe('succeeded');
    const outcomes = Object.fromEntries((row.result?.checks ?? []).map(({ id, outcome }) => [id, outcome]));
    expect(outcomes).toEqual({
      ...{ calibration: 'notMeasured', top1: 'notMeasured', minTop1: 'notMeasured' },
      ...{ structure: 'passed', parity: 'passed', maxMacs: 'passed' },
    });
    expect(row.result?.predicted.predictedTop1).toBeGreaterThan(0.5);
    expect(row.result?.measured).not.toHaveProperty('measuredTop1');
  });

  it('has a report that says so first: as JSON behind its schema, as a page before everything else', async () => {
    const url = `${server.url}/v1/specializations/${row.id}/report`;
    const json = await (await fetch(url)).text();
    const report = JSON.parse(json) as Report;
    expect(Object.keys(report).slice(0, 2)).toEqual(['schema', 'notices']);
    expect(report.notices).toEqual([expect.stringMatching(NOT_CALIBRATED), expect.stringMatching(NO_ACCURACY)]);
    const page = await (await fetch(url, { headers: { Accept: 'text/html' } })).text();
    const main = page.slice(page.indexOf('<main>') + '<main>'.length).trimStart();
    expect(main).toMatch(/^<aside class="notices" role="note"><p>Batch-normalization statistics were not calibrated/);
    expect(main).toMatch(/Predicted top-1 [\d.]+ % \(not measured\)/);
  });

  it('is shown on the command line with that in front', async () => {
    const { stdout } = await runCli(['show', row.id], { ...options, env: { BESPOKE_URL: server.url } });
    const [first = '', second = ''] = stdout.split('\n');
    expect(first).toMatch(NOT_CALIBRATED);
    expect(second).toMatch(NO_ACCURACY);
  });
});

describe('a bundle without an accuracy predictor', () => {
  it('is listed as such, and refused at once with what to do', async () => {
    const { items } = await bodyOf<components['schemas']['SupernetList']>(await fetch(`${server.url}/v1/supernets`));
    expect(Object.fromEntries(items.map(({ id, hasPredictor }) => [id, hasPredictor]))).toEqual({
      bare: true,
      mute: false,
    });
    const response = await fetch(`${server.url}/v1/specializations`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ supernetId: 'mute', ...BODY }),
    });
    const { code, status, detail } = await bodyOf<ProblemBody>(response);
    expect({ code, status }).toEqual({ code: 'no-predictor', status: 422 });
    expect(detail).toMatch(/"mute" has no accuracy predictor.*`bespoke predictor import`/);
  });
});

describe('images given to a bundle', () => {
  it('calibrate: specialize --calibration puts them into the bundle, once', async () => {
    const models = join(scratch, 'given');
    const own = { dataDir: join(scratch, 'given-data'), models };
    const images = join(scratch, 'images');
    await Promise.all([
      writeTinyBundle(models, { calibrationImages: 0, verificationImages: 0 }),
      writeShapeImages(images, 10, 30),
      saveTinyProfile(own.dataDir),
    ]);
    const out = join(scratch, 'given.onnx');
    const asking = [
      'specialize',
      '--supernet',
      'tiny',
      '--max-macs',
      '100000',
      '--evaluations',
      '1000',
      '--skip-latency',
    ];
    const calibrating = [...asking, '--calibration', images, '-o', out];
    const first = await runCli(calibrating, own);
    expect(first.code).toBe(0);
    expect(first.stdout.split('\n')[0]).toMatch(NO_ACCURACY);
    expect(first.stdout).not.toMatch(/not calibrated/);
    expect((await loadBundle(join(models, 'tiny'))).calibration).toMatchObject({ count: 30, channels: 1, height: 12 });
    expect((await readFile(out)).length).toBeGreaterThan(1000);
    const again = await runCli(calibrating, own);
    expect({ code: again.code, stderr: again.stderr.trim() }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/tiny" has 30 calibration images already; leave out --calibration$/),
    });
    const beside = await runCli(calibrating, { ...own, dataDir: options.dataDir });
    expect({ code: beside.code, stderr: beside.stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/a server runs at http\S+ and has loaded its bundles/),
    });
  });
});
