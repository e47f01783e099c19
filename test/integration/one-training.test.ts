import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mobileNetV3Small, mobileNetV3SmallAt } from '../../scripts/one-training/hand-designed.js';
import { measureAll } from '../../scripts/one-training/measure.js';
import { type PartsOptions, runParts } from '../../scripts/one-training/parts.js';
import { makePlan, type Plan, readPlan, spreadByMacs, writePlan } from '../../scripts/one-training/plan.js';
import { type PartResult, readResults } from '../../scripts/one-training/results.js';
import { figuresOf, tableOf } from '../../scripts/one-training/table.js';
import { openImages } from '../../src/data/open-images.js';
import { measureTop1 } from '../../src/evaluate/top1.js';
import { decodeModel } from '../../src/onnx/codec.js';
import { archCosts } from '../../src/space/costs.js';
import { deliver } from '../../src/specialize/deliver.js';
import { loadBundle } from '../../src/supernet/bundle.js';
import type { Bundle } from '../../src/supernet/types.js';
import { parseRecipe } from '../../src/train/recipe.js';
import { readBundleTrainingData } from '../../src/train/single-net-data.js';
import type { TrainEvent } from '../../src/train/train-events.js';
import { writeLearnableBundle, writeLearnableImages } from '../helpers/tiny-learnable.js';
import { tinySpace } from '../unit/train/tiny-run.js';

let root: string;
let bundle: Bundle;
let plan: Plan;
let options: PartsOptions;
let started: string[];
let leftAfterStop: number;
let doneAtStop: number;
let leftAtEnd: number;
let results: readonly PartResult[];
const file = (name: string): string => join(root, name);

/** A shipped recipe with batches for few images. */
function smallRecipe(name: string): string {
  const read = JSON.parse(readFileSync(`scripts/recipes/${name}.json`, 'utf8')) as {
    phases: Record<string, unknown>[];
  };
  const phases = read.phases.map((phase) => ({ ...phase, batch: 8, lr: 0.01 }));
  writeFileSync(file(`${name}.json`), JSON.stringify({ ...read, validateEvery: 80, phases }));
  return file(`${name}.json`);
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-one-'));
  writeLearnableImages(file('images'));
  bundle = await loadBundle(
    await writeLearnableBundle(root, { id: 'bars', space: tinySpace, dataDir: file('images') }),
  );
  const source = await openImages(file('images'), tinySpace.classes);
  plan = makePlan(bundle, { count: 2, seeds: [1, 2], seed: 3, aloneImages: 240, finetuneImages: 160 });
  writePlan(root, plan);
  options = {
    ...{ dir: root, bundle, data: await readBundleTrainingData(bundle, source), workers: 1, lowering: 'standard' },
    ...{ aloneRecipe: smallRecipe('alone'), finetuneRecipe: smallRecipe('finetune') },
    onPart: ({ id }) => started.push(id),
  };
  started = [];
  const stop = new AbortController();
  const onEvent = ({ kind }: TrainEvent): void => {
    if (kind === 'validation' && started.length === 3) stop.abort();
  };
  leftAfterStop = await runParts(plan, { ...options, signal: stop.signal, onEvent });
  doneAtStop = readResults(root).length;
  appendFileSync(file('results.jsonl'), '{"part":"alone-hand'); // cut off by a kill
  leftAtEnd = await runParts(readPlan(root, bundle), options);
  results = readResults(root);
}, 300_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

// Real training threads: seconds on an idle machine, minutes on one that is busy with other suites.
describe('one training against many', { timeout: 300_000 }, () => {
  it('runs every part once, in as many calls as it takes, and scores what came out', async () => {
    // Two fine-tunings, then two drawn networks and a hand-designed one with two seeds each.
    expect(plan.parts).toHaveLength(8);
    expect([doneAtStop, leftAfterStop, leftAtEnd]).toEqual([2, 6, 0]);
    expect(results.map(({ part }) => part)).toEqual(plan.parts.map(({ id }) => id));
    expect(started).toEqual([...started.slice(0, 3), ...plan.parts.slice(2).map(({ id }) => id)]);
    for (const { model, verificationTop1, curve, cpuSeconds } of results) {
      const { top1 } = await measureTop1(readFileSync(file(model)), bundle.verification, { threads: 1 });
      expect(top1).toBe(verificationTop1);
      expect(curve.length).toBeGreaterThan(1);
      expect(cpuSeconds).toBeGreaterThan(0);
    }
    const seeds = results.filter(({ net, kind }) => net === 'spread-1' && kind === 'alone');
    expect(new Set(seeds.map(({ modelSha256 }) => modelSha256)).size).toBe(2);
  });

  it('scores and times what came out, as table and figures', async () => {
    const { test } = await openImages(file('images'), tinySpace.classes);
    const { images } = await test!.read(
      Array.from({ length: 150 }, (_, i) => i),
      { channels: 1, side: 12 },
    );
    const measured = await measureAll({
      ...{ dir: root, plan, bundle, naive: bundle, trainingDir: undefined, test: images, evaluations: 100 },
      onNet: () => undefined,
    });
    const first = measured.nets.find(({ id }) => id === 'spread-1')!;
    const { extracted } = await deliver(bundle, plan.nets[0]!.arch);
    expect(first.supernetTop1).toBe((await measureTop1(extracted.model, images, { threads: 1 })).top1);
    expect(first.naiveTop1).toBe(first.supernetTop1); // the same bundle was named
    expect(first.alone.map(({ seed }) => seed)).toEqual([1, 2]);
    for (const { latencyMs } of measured.nets) expect(latencyMs).toBeGreaterThan(0);
    expect(JSON.parse(readFileSync(file('measured.json'), 'utf8'))).toEqual(measured);
    const table = tableOf(measured);
    expect(table.split('\n').filter((line) => line.startsWith('|'))).toHaveLength(2 + measured.nets.length);
    const average = (of: string): string | undefined =>
      new RegExp(`From the ${of} minus.*: ([+−].*? points)`).exec(table)?.[1];
    expect(average('supernet')).toMatch(/^[+−]\d/);
    expect(average('naive supernet')).toBe(average('supernet')); // the same bundle was named
    expect(table).toContain('mean of 2 networks (seeds: 2)');
    const figures = await figuresOf(measured);
    for (const svg of figures.values()) expect(svg).toMatch(/^<svg[^>]*aria-label="Measured test top-1 against/);
    const changed = readFileSync(file(results[0]!.model));
    writeFileSync(file(results[0]!.model), 'other bytes');
    await expect(
      measureAll({
        ...{ dir: root, plan, bundle, naive: undefined, trainingDir: undefined },
        test: images,
        evaluations: 1,
        onNet: () => undefined,
      }),
    ).rejects.toThrow(/is not the model that part finetune-spread-1 ended with/);
    writeFileSync(file(results[0]!.model), changed);
  });

  it('trains alone what the supernet has, without its weights: its model names weights of its own', () => {
    const path = results.find(({ kind, net }) => kind === 'alone' && net === 'spread-1')!.model;
    const { metadata } = decodeModel(readFileSync(file(path)));
    expect(metadata['bespoke.supernet']).toBe(metadata['bespoke.weights']);
    expect(metadata['bespoke.supernet']).not.toBe(bundle.supernet.sha256);
    expect(JSON.parse(metadata['bespoke.arch'] ?? '')).toEqual(plan.nets[0]!.arch);
  });

  it('refuses parts that the plan has not, and another plan in the same folder', async () => {
    await expect(runParts(plan, { ...options, only: ['alone-x'] })).rejects.toThrow(
      /no part alone-x; it has finetune-/,
    );
    const other = makePlan(bundle, { count: 2, seeds: [1], seed: 4 });
    expect(() => writePlan(root, other)).toThrow(/holds another plan/);
    expect(() => writePlan(root, plan)).not.toThrow();
    const retrained = { ...bundle, supernet: { ...bundle.supernet, sha256: other.nets[0]!.id as never } };
    expect(() => readPlan(root, retrained)).toThrow(/was made for the weights/);
  });
});

describe('the drawn networks', () => {
  it('lie one in each group by MACs, and depend on the seed alone', () => {
    const drawn = spreadByMacs(tinySpace, 4, 1);
    const macs = drawn.map((net) => net.macs);
    expect(macs).toEqual([...macs].sort((a, b) => a - b));
    for (const { arch, macs: counted } of drawn) expect(archCosts(tinySpace, arch).macs).toBe(counted);
    expect(spreadByMacs(tinySpace, 4, 1)).toEqual(drawn);
    expect(spreadByMacs(tinySpace, 4, 2)).not.toEqual(drawn);
  });
});

describe('the hand-designed network', () => {
  const imagenet = { inputChannels: 3, classes: 1000, bnEpsilon: 1e-3, resolution: 224 };

  it('has at width 1 the published number of parameters', () => {
    const { space, arch } = mobileNetV3SmallAt(imagenet, 1);
    // torchvision.models.mobilenet_v3_small: 2,542,856 parameters; strides do not change them.
    expect(archCosts(space, arch).params).toBe(2_542_856);
  });

  it('comes near the MACs wanted', () => {
    const task = { ...imagenet, inputChannels: 1, classes: 10 };
    for (const wanted of [1e6, 3e6, 10e6]) {
      const { space, arch, macs } = mobileNetV3Small(task, wanted, [20, 24, 28]);
      expect(archCosts(space, arch).macs).toBe(macs);
      expect(Math.abs(macs / wanted - 1)).toBeLessThan(0.06); // channels are multiples of 8
    }
  });
});

describe('the recipes of the comparison', () => {
  it('are for the space that ships', async () => {
    const { space } = (await loadBundle('models/fashion-mnist')).supernet;
    for (const name of ['alone', 'finetune', 'naive']) {
      const path = `scripts/recipes/${name}.json`;
      expect(parseRecipe(readFileSync(path, 'utf8'), path, space).name).toBe(name);
    }
  });
});
