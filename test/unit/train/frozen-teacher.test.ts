import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { prepareImages } from '../../../src/data/prepare-images.js';
import { createSession } from '../../../src/runtime/session.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import type { FloatTensor } from '../../../src/tensor/tensor.js';
import { FrozenTeachers, type TeacherModel } from '../../../src/train/frozen-teacher.js';
import { parseRecipe } from '../../../src/train/recipe.js';
import { trainSupernet, WEIGHTS_FILE } from '../../../src/train/run.js';
import { attendedFront } from '../../../src/train/subnet-schedule.js';
import type { TrainEvent } from '../../../src/train/train-events.js';
import { teacherModel } from './teacher-model.js';
import { tinyRecipe, tinyRun, tinySpace } from './tiny-run.js';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-taught-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const { data } = tinyRun('unused');
const images = (resolution: number): FloatTensor => prepareImages(data.images, [0, 1, 2, 3], data.input, resolution);
const large = teacherModel(maxArch(tinySpace));
const small = teacherModel(minArch(tinySpace), 7);

/** Row-wise softmax in float64, by the definition. */
async function softmax64({ model, resolution }: TeacherModel): Promise<number[]> {
  const session = await createSession(model, { threads: 1, optimization: 'disabled' });
  const { logits } = await session.run({ input: images(resolution) });
  await session.release();
  const powers = Array.from(logits!.data as Float32Array, (value) => Math.exp(value));
  return powers.map((power, i) => power / powers.slice(i - (i % 3), i - (i % 3) + 3).reduce((sum, v) => sum + v, 0));
}

describe('FrozenTeachers', () => {
  it('answer with the mean of their softmax, each at its own resolution', async () => {
    expect(large.resolution).not.toBe(small.resolution);
    const teachers = new FrozenTeachers([large, small]);
    const said = await teachers.probabilities(images, 3);
    await teachers.release();
    const [a, b] = [await softmax64(large), await softmax64(small)];
    expect(said).toHaveLength(12);
    for (const [i, value] of said.entries()) expect(value).toBeCloseTo((a[i]! + b[i]!) / 2, 6);
    expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))).toBeGreaterThan(0.1);
  });
});

// Real threads: seconds on an idle machine, minutes on one that is busy with other suites.
describe('a supernet with teachers and a front', { timeout: 180_000 }, () => {
  const base = tinyRecipe(96);
  const phases = base.phases.map((phase) => ({ ...phase, frontShare: 0.5 }));
  const given = {
    recipe: { ...base, phases },
    teachers: [large, small],
    front: attendedFront(tinySpace, [minArch(tinySpace), maxArch(tinySpace)]),
  };
  const train = (name: string, more: Partial<Parameters<typeof trainSupernet>[0]> = {}) =>
    trainSupernet(tinyRun(join(root, name), { ...given, ...more }));
  const weights = (name: string): string => sha256(readFileSync(join(root, name, WEIGHTS_FILE)));

  it('resumes to bit-identical weights, and to none with other teachers or another front', async () => {
    await train('whole');
    const stop = new AbortController();
    const onEvent = (event: TrainEvent): void => {
      if (event.kind === 'checkpoint' && event.step >= 15) stop.abort();
    };
    await train('parts', { signal: stop.signal, onEvent });
    const message = await train('parts', { resume: true, teachers: [large] }).then(String, String);
    const [, there, here] = /another run \(the teachers: sha256 (\w+) there, sha256 (\w+) here/.exec(message) ?? [];
    expect(there).toMatch(/^[0-9a-f]{12}$/);
    expect(here).not.toBe(there);
    await expect(train('parts', { resume: true, front: given.front.slice(1) })).rejects.toThrow(
      /another run \(the front: sha256 /,
    );
    await train('parts', { resume: true });
    expect(weights('parts')).toBe(weights('whole'));
  });

  it('becomes another one for its teachers, and for its front', async () => {
    await train('two');
    await train('one', { teachers: [small] });
    await train('itself', { teachers: undefined });
    await train('largest', { front: given.front.slice(1) });
    expect(new Set(['two', 'one', 'itself', 'largest'].map(weights)).size).toBe(4);
  });

  it('takes its share of the front from the recipe', () => {
    const read = parseRecipe(JSON.stringify(given.recipe), 'tiny', tinySpace);
    expect(read.phases.map(({ frontShare }) => frontShare)).toEqual([0.5, 0.5]);
  });
});
