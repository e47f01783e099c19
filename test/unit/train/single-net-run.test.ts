import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { makeRng } from '../../../src/common/rng.js';
import { prepareImages } from '../../../src/data/prepare-images.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import type { FloatTensor } from '../../../src/tensor/tensor.js';
import { NetSession } from '../../../src/train/net-session.js';
import { layoutOf } from '../../../src/train/parameter-layout.js';
import { positionOf } from '../../../src/train/phases.js';
import type { Phase, Recipe } from '../../../src/train/recipe.js';
import { NET_WEIGHTS_FILE } from '../../../src/train/run.js';
import { initNet, plainSpace } from '../../../src/train/single-net.js';
import { assertNetRecipe, trainNet } from '../../../src/train/single-net-run.js';
import { measureNetSpeed } from '../../../src/train/single-net-speed.js';
import { StepRunner } from '../../../src/train/step-runner.js';
import type { TrainEvent } from '../../../src/train/train-events.js';
import { decided, teacherModel } from './teacher-model.js';
import { tinyRecipe, tinyRun, tinySpace } from './tiny-run.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-net-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = (name: string): string => join(root, name);

const arch = minArch(tinySpace);
const tensors = initNet(tinySpace, arch, makeRng(1));

/** A recipe for one network. */
function netRecipe(images: number, changes: Partial<Phase> = {}): Recipe {
  const recipe = tinyRecipe(images);
  const phase = { ...recipe.phases[0]!, largestEvery: 1, smallest: false, subnetsPerStep: 0, teacher: 'none' as const };
  return { ...recipe, name: 'alone', phases: [{ ...phase, kdRatio: 0, ...changes }] };
}

function run(name: string, overrides: Partial<Parameters<typeof trainNet>[0]> = {}) {
  return trainNet({ ...tinyRun(folder(name)), net: { arch, tensors }, recipe: netRecipe(96), ...overrides });
}

const weightsOf = (name: string): string => sha256(readFileSync(join(folder(name), NET_WEIGHTS_FILE)));
const flat = (found: ReadonlyMap<string, FloatTensor> | undefined): number[] =>
  [...tensors.keys()].flatMap((name) => [...(found?.get(name)?.data ?? [])]);

// Real threads: seconds on an idle machine, minutes on one that is busy with other suites.
describe('trainNet', { timeout: 180_000 }, () => {
  it('learns: held-out top-1 is far above chance, and only the one network is reported', async () => {
    const events: TrainEvent[] = [];
    const recipe = netRecipe(720);
    const { end, cpuSeconds } = await run('learns', {
      recipe,
      saveEveryMs: 1e9,
      onEvent: (event) => events.push(event),
    });
    expect(end).toBe('finished');
    expect(cpuSeconds).toBeGreaterThan(0);
    const validation = events.filter((event) => event.kind === 'validation').at(-1);
    expect(Object.keys(validation?.batchStatisticsTop1 ?? {})).toEqual(['single']);
    expect(validation?.batchStatisticsTop1.single).toBeGreaterThan(0.8);
    const window = events.filter((event) => event.kind === 'window').at(-1);
    expect(Object.keys(window?.roles ?? {})).toEqual(['single']);
  });

  it('leaves every weight as it is at learning rate 0, teacher or not', async () => {
    const still = { lr: 0, finalLr: 0, weightDecay: 0.1 };
    const alone = await run('still', { recipe: netRecipe(32, still) });
    expect(flat(alone.tensors)).toEqual(flat(tensors));
    const recipe = netRecipe(32, { ...still, teacher: 'frozen', kdRatio: 0.5 });
    const taught = await run('still-taught', { recipe, teachers: [teacherModel(maxArch(tinySpace))] });
    expect(flat(taught.tensors)).toEqual(flat(tensors));
  });

  it('resumes to bit-identical weights, with a teacher, and sums up processor time', async () => {
    const options = {
      teachers: [teacherModel(maxArch(tinySpace))],
      recipe: netRecipe(96, { teacher: 'frozen', kdRatio: 0.5 }),
    };
    await run('whole', options);
    let before = 0;
    for (const stopAt of [3, 7]) {
      const stop = new AbortController();
      const onEvent = (event: TrainEvent): void => {
        if (event.kind === 'checkpoint' && event.step >= stopAt) stop.abort();
      };
      const part = await run('parts', { ...options, resume: true, signal: stop.signal, onEvent });
      expect(part).toMatchObject({ end: 'aborted', step: stopAt });
      expect(part.tensors).toBeUndefined();
      expect(part.cpuSeconds).toBeGreaterThan(before);
      before = part.cpuSeconds;
    }
    const last = await run('parts', { ...options, resume: true });
    expect(last.cpuSeconds).toBeGreaterThan(before);
    expect(weightsOf('parts')).toBe(weightsOf('whole'));
    const again = await run('parts', { ...options, resume: true });
    expect(flat(again.tensors)).toEqual(flat(last.tensors));
  });

  it('refuses to resume with another start or architecture, and to overwrite', async () => {
    await run('taken', { recipe: netRecipe(16) });
    const other = { arch, tensors: initNet(tinySpace, arch, makeRng(9)) };
    const resumed = run('taken', { recipe: netRecipe(16), resume: true, net: other });
    await expect(resumed).rejects.toThrow(/belongs to another run/);
    await expect(run('taken', { recipe: netRecipe(16) })).rejects.toThrow(/holds a run at step 2/);
  });
});

describe('measureNetSpeed', { timeout: 180_000 }, () => {
  it('is a rate, also of a recipe that is shorter than its trial', async () => {
    const options = { ...tinyRun(folder('speed')), net: { arch, tensors }, recipe: netRecipe(8) };
    const rate = await measureNetSpeed(options);
    expect(Number.isFinite(rate) && rate > 0).toBe(true);
  });
});

function softmax64(logits: Iterable<number>): number[] {
  const powers = Array.from(logits, Math.exp);
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

describe('the distilled loss', () => {
  it('is the cross-entropy to the mix of labels and the teacher, computed in float64', async () => {
    const batch = 12;
    const { data, seed, lowering } = tinyRun(folder('unused'));
    const train = data.train.slice(0, batch); // a batch is all images: in whatever order, the mean loss is the same
    const kdRatio = 0.3;
    const labelSmoothing = 0.1;
    const augment = { flip: false, shift: 0, erase: 0, eraseUntil: 0 };
    const recipe = netRecipe(batch, { batch, teacher: 'frozen', kdRatio, labelSmoothing, augment });
    const layout = layoutOf(tensors);
    const weights = Float32Array.from(flat(decided(initNet(tinySpace, arch, makeRng(4)))));
    const teacher = teacherModel(maxArch(tinySpace));
    const runner = new StepRunner({
      ...{ space: plainSpace(tinySpace), net: { arch }, teachers: [teacher], recipe, layout, lowering, seed, weights },
      ...{ worker: 0, workers: 1, data: { ...data, train }, teacher: new Float32Array(layout.size) },
      gradient: new Float32Array(layout.size),
      memoryArena: false,
    });
    const [report] = await runner.step(positionOf(recipe, 1, 0));
    await runner.release();

    const session = await createSession(teacher.model, { threads: 1, optimization: 'disabled' });
    const teacherLogits = await session.run({ input: prepareImages(data.images, train, data.input, 12) });
    await session.release();
    const forward = { space: plainSpace(tinySpace), layout, lowering, batch, mode: 'forward', weights } as const;
    const net = await NetSession.create(arch, forward);
    const { logits: student } = await net.run(prepareImages(data.images, train, data.input, arch.resolution));
    await net.release();
    let sum = 0;
    for (const [row, index] of train.entries()) {
      const taught = softmax64((teacherLogits.logits!.data as Float32Array).slice(row * 3, row * 3 + 3));
      const logs = softmax64(student.slice(row * 3, row * 3 + 3)).map(Math.log);
      for (let c = 0; c < 3; c++) {
        const label = (c === data.images.labels![index] ? 1 - labelSmoothing : 0) + labelSmoothing / 3;
        sum -= ((1 - kdRatio) * label + kdRatio * taught[c]!) * logs[c]!;
      }
    }
    expect(Math.abs(report!.loss / (sum / batch) - 1)).toBeLessThan(1e-5);
    expect(report).toMatchObject({ role: 'single', images: batch });
  });
});

describe('assertNetRecipe', () => {
  it.each<[string, Partial<Phase>, RegExp]>([
    ['a largest net now and then', { largestEvery: 2 }, /phases\[0\].*largestEvery is 1.*given is 2/],
    ['a smallest net', { smallest: true }, /smallest is false/],
    ['random nets', { subnetsPerStep: 3 }, /subnetsPerStep is 0; given is 3/],
    ['channel sorting', { sortChannels: true }, /sortChannels is false/],
    ['a teacher that learns along', { teacher: 'inplace' }, /"none" or "frozen"; given is "inplace"/],
    ['a frozen teacher where there is none', { teacher: 'frozen' }, /no supernet to learn from/],
  ])('refuses %s', (_, changes, message) => {
    expect(() => assertNetRecipe(netRecipe(8, changes), false)).toThrow(message);
  });

  it('accepts a frozen teacher where there is one', () => {
    expect(() => assertNetRecipe(netRecipe(8, { teacher: 'frozen' }), true)).not.toThrow();
  });
});
