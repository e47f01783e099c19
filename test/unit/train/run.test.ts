import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/common/hash.js';
import { decodeSafetensors } from '../../../src/tensor/safetensors.js';
import { CHECKPOINT_FILE } from '../../../src/train/checkpoint.js';
import { trainSupernet, WEIGHTS_FILE } from '../../../src/train/run.js';
import { LOG_FILE } from '../../../src/train/run-log.js';
import type { TrainEvent } from '../../../src/train/train-events.js';
import { tinyRecipe, tinyRun } from './tiny-run.js';

let root: string;
/** sha256 of the weights of an uninterrupted run; every interrupted one has to reach the same. */
let expected: string;
let events: TrainEvent[];
const folder = (name: string): string => join(root, name);
const weightsOf = (dir: string): string => sha256(readFileSync(join(dir, WEIGHTS_FILE)));
/** Steps of the tiny recipe: 12 and 6. */
const STEPS = 18;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'bespoke-train-'));
  events = [];
  await trainSupernet(tinyRun(folder('whole'), { onEvent: (event) => events.push(event) }));
  expected = weightsOf(folder('whole'));
}, 180_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

// Real threads and processes: seconds on an idle machine, minutes on one that is busy with other suites.
describe('trainSupernet', { timeout: 180_000 }, () => {
  it('reports windows, validations and the end, and logs each as a line', () => {
    const kinds = new Set(events.map(({ kind }) => kind));
    expect(kinds).toEqual(new Set(['started', 'checkpoint', 'window', 'validation', 'finished']));
    const lines = readFileSync(join(folder('whole'), LOG_FILE), 'utf8')
      .trim()
      .split('\n');
    expect(lines.map((line) => (JSON.parse(line) as TrainEvent).kind)).toEqual(events.map(({ kind }) => kind));
  });

  it('writes the weights with what they were made from', () => {
    const { metadata, tensors } = decodeSafetensors(readFileSync(join(folder('whole'), WEIGHTS_FILE)), 'weights');
    expect(metadata).toMatchObject({ spaceId: 'tiny', recipe: 'tiny', seed: '5', steps: String(STEPS) });
    expect(tensors.get('stages.0.blocks.0.depthwise.weight')?.dims).toEqual([24, 1, 7, 7]);
  });

  it('learns: held-out top-1 of a longer run is far above chance', async () => {
    const seen: TrainEvent[] = [];
    const recipe = tinyRecipe(480);
    await trainSupernet(tinyRun(folder('longer'), { recipe, saveEveryMs: 1e9, onEvent: (event) => seen.push(event) }));
    const last = seen.filter((event) => event.kind === 'validation').at(-1);
    for (const [name, top1] of Object.entries(last?.batchStatisticsTop1 ?? {})) expect(top1, name).toBeGreaterThan(0.8);
    expect(Object.keys(last?.batchStatisticsTop1 ?? {})).toHaveLength(6);
  });

  it('stops between steps when aborted, and resumes to bit-identical weights', async () => {
    const dir = folder('stopped');
    for (const stopAt of [5, 13]) {
      const stop = new AbortController();
      const onEvent = (event: TrainEvent): void => {
        if (event.kind === 'checkpoint' && event.step >= stopAt) stop.abort();
      };
      const { end, step } = await trainSupernet(tinyRun(dir, { signal: stop.signal, onEvent, resume: true }));
      expect(end).toBe('aborted');
      expect(step).toBe(stopAt);
    }
    await trainSupernet(tinyRun(dir, { resume: true }));
    expect(weightsOf(dir)).toBe(expected);
  });

  it('goes on from the checkpoint before when the last one is damaged, says so, and still ends the same', async () => {
    const dir = folder('damaged');
    const stop = new AbortController();
    const stopLater = (event: TrainEvent): void => {
      if (event.kind === 'checkpoint' && event.step >= 6) stop.abort();
    };
    await trainSupernet(tinyRun(dir, { signal: stop.signal, onEvent: stopLater }));
    const path = join(dir, CHECKPOINT_FILE);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] = bytes[bytes.length >> 1]! ^ 1;
    writeFileSync(path, bytes);
    const seen: TrainEvent[] = [];
    await trainSupernet(tinyRun(dir, { resume: true, onEvent: (event) => seen.push(event) }));
    expect(seen[0]).toMatchObject({ kind: 'warning', detail: expect.stringMatching(/damaged.*going on from/) });
    expect(weightsOf(dir)).toBe(expected);
  });

  it('is reproducible with two workers, and differs from one', async () => {
    const recipe = tinyRecipe(64);
    for (const name of ['two-a', 'two-b']) await trainSupernet(tinyRun(folder(name), { recipe, workers: 2 }));
    expect(weightsOf(folder('two-a'))).toBe(weightsOf(folder('two-b')));
    expect(weightsOf(folder('two-a'))).not.toBe(expected);
  });

  it('refuses to overwrite a run, and to resume with another seed', async () => {
    await expect(trainSupernet(tinyRun(folder('whole')))).rejects.toThrow(/holds a run at step 18/);
    const other = tinyRun(folder('whole'), { resume: true, seed: 6 });
    await expect(trainSupernet(other)).rejects.toThrow(/another run \(the seed: 5 there, 6 here\)/);
  });

  it('refuses to resume with other images or another split', async () => {
    const { data } = tinyRun(folder('whole'));
    const pixels = data.images.pixels.map((value, i) => (i === 77 ? value ^ 1 : value));
    const labels = data.images.labels!.map((value, i) => (i === 3 ? (value + 1) % 3 : value));
    const others = [
      { ...data, images: { ...data.images, pixels } },
      { ...data, images: { ...data.images, labels } },
      { ...data, train: [...data.train].reverse() },
    ];
    for (const other of others) {
      const resumed = trainSupernet(tinyRun(folder('whole'), { resume: true, data: other }));
      await expect(resumed).rejects.toThrow(/another run \(the data: sha256 \w+ there, sha256 \w+ here\)/);
    }
  });

  it('reports the step at which training diverges', async () => {
    const recipe = tinyRecipe();
    const wild = { ...recipe, clipNorm: 1e30, phases: recipe.phases.map((phase) => ({ ...phase, lr: 1e20 })) };
    await expect(trainSupernet(tinyRun(folder('wild'), { recipe: wild }))).rejects.toThrow(
      /diverged at step \d+ \(phase "sandwich".*a lower lr/,
    );
  });
});
