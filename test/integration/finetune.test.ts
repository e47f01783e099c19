import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FinetuneCommandOptions, finetune, finetuneCommand } from '../../src/cli/finetune.js';
import { readArch } from '../../src/cli/finetune-arch.js';
import type { FinetuneReport } from '../../src/cli/finetune-report.js';
import { extractCommand } from '../../src/cli/offline.js';
import { makeTerminal, type Terminal } from '../../src/cli/terminal.js';
import { sha256 } from '../../src/common/hash.js';
import { openImages } from '../../src/data/open-images.js';
import { measureTop1 } from '../../src/evaluate/top1.js';
import { decodeModel } from '../../src/onnx/codec.js';
import { minArch } from '../../src/space/arch.js';
import { loadBundle } from '../../src/supernet/bundle.js';
import type { Bundle } from '../../src/supernet/types.js';
import { readBundleTrainingData } from '../../src/train/single-net-data.js';
import type { TrainEvent } from '../../src/train/train-events.js';
import { writeLearnableBundle, writeLearnableImages } from '../helpers/tiny-learnable.js';
import { tinySpace } from '../unit/train/tiny-run.js';

let root: string;
let bundle: Bundle;
let recipe: string;
const file = (name: string): string => join(root, name);
/** The tiny space's smallest network in both spellings. */
const arch = minArch(tinySpace);

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-finetune-'));
  writeLearnableImages(file('images'));
  bundle = await loadBundle(
    await writeLearnableBundle(root, { id: 'bars', space: tinySpace, dataDir: file('images') }),
  );
  writeFileSync(file('arch.json'), JSON.stringify({ ks: 3, e: 2, d: 1, r: 8 }));
  recipe = file('recipe.json');
  const shipped = JSON.parse(readFileSync('scripts/recipes/finetune.json', 'utf8')) as {
    phases: Record<string, unknown>[];
  };
  shipped.phases[0] = { ...shipped.phases[0], batch: 8, lr: 0.01 };
  writeFileSync(recipe, JSON.stringify({ ...shipped, validateEvery: 800 }));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const quiet: Terminal = { ...makeTerminal(false), print: () => undefined };

function tune(name: string, changes: Partial<FinetuneCommandOptions> = {}): Promise<number> {
  return finetuneCommand(quiet, bundle, arch, {
    ...{ data: file('images'), out: file(`${name}.onnx`), report: file(`${name}.json`), recipe, run: file(name) },
    ...{ seed: 1, workers: 1, lowering: 'standard', resume: false, images: 640 },
    ...changes,
  });
}

const reportOf = (name: string): FinetuneReport => JSON.parse(readFileSync(file(`${name}.json`), 'utf8')); // just written

// Real training threads: seconds on an idle machine, minutes on one that is busy with other suites.
describe('bespoke finetune', { timeout: 180_000 }, () => {
  it('writes a better model, and a report whose figures the model keeps', async () => {
    expect(await tune('tuned')).toBe(0);
    const model = readFileSync(file('tuned.onnx'));
    const report = reportOf('tuned');
    expect(report.artifact.sha256).toBe(sha256(model));
    expect(report.measuredTop1Before).toBeLessThan(0.6); // an untrained supernet
    expect(report.measuredTop1).toBeGreaterThan(0.9);
    expect(report.gain.value).toBeCloseTo(report.measuredTop1 - report.measuredTop1Before, 12);
    expect((await measureTop1(model, bundle.verification, { threads: 1 })).top1).toBe(report.measuredTop1);
    expect(report.parityRelative).toBeLessThan(1e-4);
    expect(report.training).toMatchObject({ images: 640, steps: 80 });
  });

  it('measures the start as the supernet delivers it', async () => {
    await extractCommand(quiet, bundle, { archFile: file('arch.json'), out: file('extracted.onnx') });
    const { top1 } = await measureTop1(readFileSync(file('extracted.onnx')), bundle.verification, { threads: 1 });
    await tune('started', { images: 8 });
    expect(reportOf('started').measuredTop1Before).toBe(top1);
  });

  it('marks a model whose weights are its own, and no other', async () => {
    await tune('marked', { images: 8 });
    const { metadata } = decodeModel(readFileSync(file('marked.onnx')));
    expect(metadata['bespoke.weights']).toBe(reportOf('marked').artifact.weightsSha256);
    expect(metadata['bespoke.supernet']).toBe(bundle.supernet.sha256);
    await extractCommand(quiet, bundle, { archFile: file('arch.json'), out: file('unmarked.onnx') });
    expect(decodeModel(readFileSync(file('unmarked.onnx'))).metadata['bespoke.weights']).toBeUndefined();
  });

  it('says by the clock how long, and keeps that length when it goes on', async () => {
    await tune('clock', { images: undefined as never, minutes: 0.01 });
    const { images } = reportOf('clock').training;
    expect(images).toBeGreaterThan(0);
    const resume = { images: undefined as never, minutes: 5, resume: true };
    expect(await tune('clock', resume)).toBe(0);
    expect(reportOf('clock').training.images).toBe(images);
  });

  it('stops between steps when aborted, and then ends the same', async () => {
    const data = await readBundleTrainingData(bundle, await openImages(file('images'), tinySpace.classes));
    const options = { recipe, seed: 1, workers: 1, lowering: 'standard', images: 1600 };
    const whole = await finetune(bundle, arch, data, { ...options, run: file('whole'), resume: false });
    const stop = new AbortController();
    const onEvent = ({ kind }: TrainEvent): void => {
      if (kind === 'validation') stop.abort();
    };
    const started = { ...options, run: file('parts'), signal: stop.signal, onEvent, resume: false };
    const stopped = await finetune(bundle, arch, data, started);
    expect(stopped.finished).toBeUndefined();
    expect(stopped.outcome).toMatchObject({ end: 'aborted', step: 100, steps: 200 });
    const resumed = await finetune(bundle, arch, data, { ...options, run: file('parts'), resume: true });
    expect(resumed.finished?.report.artifact).toEqual(whole.finished?.report.artifact);
  });

  it('leaves no signal handler behind', async () => {
    const before = process.listenerCount('SIGTERM');
    await tune('handlers', { images: 8 });
    await expect(tune('handlers', { images: 8 })).rejects.toThrow(/holds a run at step 1/);
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});

describe('bad input', { timeout: 180_000 }, () => {
  it('an architecture of another space is refused', async () => {
    writeFileSync(file('wide.json'), JSON.stringify({ ks: 3, e: 6, d: 1, r: 8 }));
    await expect(readArch(bundle, file('wide.json'))).rejects.toThrow(/expandRatios\[0\].*is 6.*one of 2, 3/);
    writeFileSync(file('other.json'), JSON.stringify({ ...arch, spaceId: 'fashion-mnist' }));
    await expect(readArch(bundle, file('other.json'))).rejects.toThrow(/spaceId is "fashion-mnist"; it must be "tiny"/);
  });

  it('an architecture comes from a report or a delivered model as well', async () => {
    writeFileSync(file('report-like.json'), JSON.stringify({ schema: 1, delivered: { arch, macs: 1 } }));
    expect(await readArch(bundle, file('report-like.json'))).toEqual(arch);
    await extractCommand(quiet, bundle, { archFile: file('arch.json'), out: file('from.onnx') });
    expect(await readArch(bundle, file('from.onnx'))).toEqual(arch);
    await expect(readArch(bundle, file('missing.onnx'))).rejects.toThrow(/missing.onnx" cannot be read \(ENOENT\)/);
  });

  it('missing data, other data and labels out of range are refused in one sentence', async () => {
    await expect(tune('missing', { data: file('nowhere') })).rejects.toThrow(/there is no such folder/);
    writeLearnableImages(file('others'), 300, 7);
    await expect(tune('others', { data: file('others') })).rejects.toThrow(
      /not the data that the supernet was trained on/,
    );
    writeLearnableImages(file('wrong'));
    const labels = readFileSync(join(file('wrong'), 'train-labels-idx1-ubyte'));
    labels[labels.length - 1] = 9;
    writeFileSync(join(file('wrong'), 'train-labels-idx1-ubyte'), labels);
    await expect(tune('wrong', { data: file('wrong') })).rejects.toThrow(/labels are 0\.\.2, label 299 is 9/);
  });

  it('a supernet recipe is refused', async () => {
    const sandwich = tune('sandwich', { recipe: 'scripts/recipes/sandwich.json' });
    await expect(sandwich).rejects.toThrow(/in a recipe that trains one network smallest is false/);
  });
});
