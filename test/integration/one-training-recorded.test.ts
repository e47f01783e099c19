import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlan, type Plan, type PlanNet, writePlan } from '../../scripts/one-training/plan.js';
import {
  findRecorded,
  formatRecorded,
  onTerms,
  parseRecorded,
  type RecordedTraining,
} from '../../scripts/one-training/recorded.js';
import { addResult } from '../../scripts/one-training/results.js';
import { sha256 } from '../../src/common/hash.js';
import { openImages } from '../../src/data/open-images.js';
import { canonicalArch } from '../../src/space/arch.js';
import { deliver } from '../../src/specialize/deliver.js';
import { loadBundle } from '../../src/supernet/bundle.js';
import type { Bundle } from '../../src/supernet/types.js';
import { writeLearnableBundle, writeLearnableImages } from '../helpers/tiny-learnable.js';
import { tinySpace } from '../unit/train/tiny-run.js';

const versions = { bespoke: '0.1.0', onnxruntime: '1.30.0', node: '20.20.2' };
const SHIPPED = 'docs/figures/trained-alone.json';

let root: string;
let bundle: Bundle;
let plan: Plan;
let fingerprint: string;
const file = (name: string): string => join(root, name);

/** A recorded training of a network of the plan. */
function recordOf({ name, space, arch, macs }: PlanNet, seed: number): RecordedTraining {
  const terms = { images: 240, recipe: 'alone', measuredAt: '2026-11-24', device: 'a machine', versions };
  return { name, arch: canonicalArch(space, arch), macs, seed, testTop1: seed / 4, ...terms };
}

function table(...args: readonly string[]): { readonly status: number | null; readonly out: string } {
  const given = ['table', '--supernet', file('bars'), '--out', file('run'), '--data', file('images'), ...args];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'scripts/one-training.ts', ...given],
    { encoding: 'utf8' },
  );
  return { status, out: status === 0 ? stdout : stderr };
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-recorded-'));
  writeLearnableImages(file('images'));
  bundle = await loadBundle(
    await writeLearnableBundle(root, { id: 'bars', space: tinySpace, dataDir: file('images') }),
  );
  fingerprint = (await openImages(file('images'), tinySpace.classes)).fingerprint();
  plan = makePlan(bundle, { count: 2, seeds: [1, 2], seed: 3, aloneImages: 240 });
  mkdirSync(file('run'));
  writePlan(file('run'), plan);
  const [first] = plan.nets;
  const others = plan.nets.slice(1).map((net) => recordOf(net, 2));
  const trainings = [recordOf(first!, 1), recordOf(first!, 2), ...others];
  const means = { trainings: 9, cpuSeconds: 1213, lastTenth: 0.0022 };
  const recorded = { schema: 1, dataFingerprint: fingerprint, means, trainings } as const;
  writeFileSync(file('recorded.json'), formatRecorded(recorded));
  writeFileSync(file('others.json'), formatRecorded({ ...recorded, dataFingerprint: 'a'.repeat(64) }));
}, 120_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Puts a training of the plan's first network with seed 1 into the run folder; its model is the supernet's, which has another test top-1. */
async function finishFirst(device: string): Promise<void> {
  const [net] = plan.nets;
  const { model } = (await deliver(bundle, net!.arch)).extracted;
  writeFileSync(file('run/model.onnx'), model);
  const { id, macs } = net!;
  addResult(file('run'), {
    ...{ part: `alone-${id}-seed1`, kind: 'alone', net: id, seed: 1, macs, params: 1 },
    ...{ images: 240, epochs: 1, steps: 30 },
    ...{ cpuSeconds: 787, recipe: 'alone', verificationTop1: 0.5, model: 'model.onnx', modelSha256: sha256(model) },
    curve: [
      [200, 0.5],
      [240, 0.51],
    ],
    ...{ device, versions, finishedAt: '2026-12-01T00:00:00.000Z' },
  });
}

// Measurements wait for those of other suites.
describe('a table of recorded trainings', { timeout: 300_000 }, () => {
  it('has them without a model in the folder, and those of the folder before them; keeps the latter', async () => {
    const args = ['--recorded', file('recorded.json'), '--record', file('kept.json')];
    const before = table(...args);
    expect(before.status, before.out).toBe(0);
    expect(before.out).toContain('4 of the 4 trainings alone (a machine, 2026-11-24); processor time and rise of 4 of');
    expect(before.out).toContain(' 37.50 (25.00, 50.00) ');
    const hand = before.out.split('\n').find((line) => line.startsWith('| MobileNetV3-Small-like'));
    expect(hand).toMatch(/\| \d+\.\d{3} \| {2}\| 50\.00 \|/); // timed without weights of a training
    expect(parseRecorded(readFileSync(file('kept.json'), 'utf8'), 'kept').trainings).toEqual([]);

    const { device } = JSON.parse(readFileSync(file('run/measured.json'), 'utf8'));
    await finishFirst(device);
    const after = table(...args);
    expect(after.status, after.out).toBe(0);
    expect(after.out).toContain('3 of the 4 trainings alone');
    expect(after.out).not.toContain('(25.00, 50.00)');
    const { nets, measuredAt } = JSON.parse(readFileSync(file('run/measured.json'), 'utf8'));
    const [measured] = nets;
    expect(measured.alone[0]).toMatchObject({ seed: 1, testTop1: measured.supernetTop1, cpuSeconds: 787 });
    const kept = parseRecorded(readFileSync(file('kept.json'), 'utf8'), 'kept');
    expect(kept.dataFingerprint).toBe(fingerprint);
    const { supernetTop1: testTop1, latencyMs } = measured;
    const given = { testTop1, latencyMs, cpuSeconds: 787, measuredAt, device };
    expect(kept.trainings).toEqual([{ ...recordOf(plan.nets[0]!, 1), ...given, lastTenth: expect.closeTo(0.01, 6) }]);
  });

  it('refuses a file that cannot be read, or is of other images, before it measures', () => {
    expect(table('--recorded', file('none.json'))).toEqual({
      status: 3,
      out: `"${file('none.json')}" cannot be read (ENOENT)\n`,
    });
    expect(table('--record', file('others.json'))).toEqual({
      status: 3,
      out: `${file('others.json')} has trainings on the images ${'a'.repeat(64)}; the supernet was trained on ${fingerprint}\n`,
    });
  });
});

describe('the trainings that ship', () => {
  const lengths = { aloneImages: 915_584 };

  it('are of the networks that are drawn from the bundled space, whatever its weights', async () => {
    const shipped = await loadBundle('models/fashion-mnist');
    const options = { count: 4, seeds: [1, 2], seed: 1, ...lengths };
    const spreadOf = (of: Bundle) => makePlan(of, options).nets.filter(({ role }) => role === 'spread');
    const drawn = spreadOf(shipped);
    const retrained = { ...shipped, figures: {}, supernet: { ...shipped.supernet, sha256: sha256('other weights') } };
    expect(spreadOf(retrained)).toEqual(drawn);

    const recorded = onTerms(parseRecorded(readFileSync(SHIPPED, 'utf8'), SHIPPED), {
      images: lengths.aloneImages,
      recipe: 'alone',
    });
    const tops = drawn.map((net) => options.seeds.map((seed) => findRecorded(recorded, net, seed)?.testTop1));
    // As measured on 2026-11-24, MACs 1,454,464, 3,576,000, 4,353,120 and 11,327,360.
    expect(drawn.map(({ macs }) => macs)).toEqual([1_454_464, 3_576_000, 4_353_120, 11_327_360]);
    expect(tops).toEqual([
      [0.9236, 0.922],
      [0.9315, 0.9333],
      [0.9271, 0.9272],
      [0.9386, 0.9392],
    ]);
    const { dataFingerprint } = recorded;
    expect(shipped.figures).toMatchObject({ data: { fingerprint: dataFingerprint } });
  });
});
