import { describe, expect, it } from 'vitest';
import type { Measured, MeasuredNet } from '../../../scripts/one-training/measure.js';
import {
  findRecorded,
  formatRecorded,
  mergeRecorded,
  onTerms,
  parseRecorded,
  type Recorded,
  type RecordedTraining,
} from '../../../scripts/one-training/recorded.js';
import { figuresOf, tableOf } from '../../../scripts/one-training/table.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { tinySpace } from '../train/tiny-run.js';

const training: RecordedTraining = {
  ...{ name: 'smallest', arch: minArch(tinySpace), macs: 5000, seed: 1, images: 240, recipe: 'alone' },
  ...{ testTop1: 0.9236, measuredAt: '2026-11-24', device: 'a machine' },
  versions: { bespoke: '0.1.0', onnxruntime: '1.30.0', node: '20.20.2' },
};
const known: RecordedTraining = { ...training, seed: 2, cpuSeconds: 900, lastTenth: -0.01, latencyMs: 0.2 };
const recorded: Recorded = {
  schema: 1,
  dataFingerprint: 'a'.repeat(64),
  means: { trainings: 9, cpuSeconds: 1213, lastTenth: 0.0022 },
  trainings: [training, known],
};
const net = { space: tinySpace, arch: minArch(tinySpace), macs: 5000 };

/** The file's text with members of its first training changed. */
const changed = (members: object): string =>
  formatRecorded({ ...recorded, trainings: [{ ...training, ...members }, known] });
const messageOf = (text: string): string => {
  try {
    parseRecorded(text, 'f.json');
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
  return 'accepted';
};

describe('the file of trainings alone', () => {
  it('is read as it was written, one training a line', () => {
    const text = formatRecorded(recorded);
    expect(parseRecorded(text, 'f.json')).toEqual(recorded);
    expect(text.split('\n').filter((line) => line.includes('"smallest"'))).toHaveLength(2);
    const empty = { schema: 1, dataFingerprint: 'a'.repeat(64), trainings: [] } as const;
    expect(parseRecorded(formatRecorded(empty), 'f.json')).toEqual(empty);
  });

  it('is refused in one sentence that names line and member', () => {
    expect(messageOf('{"schema": 1,')).toMatch(/^f\.json, line 1, column \d+: /);
    expect(messageOf('{"schema": 1, "trainings": {}}')).toBe('f.json, line 1: trainings must be a list; given: {}.');
    expect(messageOf(changed({ testTop1: 92.36 }))).toBe(
      'f.json, line 6: trainings[0].testTop1 must be a share from 0 to 1; given: 92.36.',
    );
    expect(messageOf(changed({ arch: { ...training.arch, depths: ['2'] } }))).toMatch(
      /trainings\[0\]\.arch\.depths must be a list of numbers/,
    );
    expect(messageOf(changed({ measuredAt: '24.11.2026' }))).toMatch(
      /measuredAt must be a day or a moment in ISO 8601/,
    );
    expect(messageOf(changed({ top1: 0.9 }))).toMatch(/trainings\[0\] has a member "top1" that is not known/);
    expect(messageOf(changed({ seed: 2 }))).toMatch(/line 7: trainings\[1\] must be given once; given: "smallest"/);
  });
});

describe('a recorded training', () => {
  it('stands for the same network, seed, images and recipe alone', () => {
    const asked = onTerms(recorded, { images: 240, recipe: 'alone' });
    expect(findRecorded(asked, net, 1)).toEqual(training);
    expect(findRecorded(asked, net, 2)).toEqual(known);
    expect(findRecorded(asked, net, 3)).toBeUndefined();
    expect(findRecorded(asked, { ...net, arch: maxArch(tinySpace) }, 1)).toBeUndefined();
    expect(findRecorded(asked, { ...net, macs: 5001 }, 1)).toBeUndefined(); // the space was changed under its name
    expect(onTerms(recorded, { images: 241, recipe: 'alone' }).trainings).toEqual([]);
    expect(onTerms(recorded, { images: 240, recipe: 'other' }).trainings).toEqual([]);
  });

  it('is found whatever the inactive slots of the network say', () => {
    const kernelSizes = net.arch.kernelSizes.map((size, slot) => (slot % 2 === 1 ? 7 : size)); // second blocks, at depth 1
    expect(findRecorded(recorded, { ...net, arch: { ...net.arch, kernelSizes } }, 1)).toEqual(training);
  });

  it('is replaced by a later one of the same, and by no other', () => {
    const later = { ...training, testTop1: 0.93, cpuSeconds: 700, measuredAt: '2026-12-01' };
    const longer = { ...later, images: 480 };
    const merged = mergeRecorded(recorded, [later, longer]);
    expect(merged).toEqual({ ...recorded, trainings: [later, known, longer] });
    expect(mergeRecorded(merged, [later, longer])).toEqual(merged);
    expect(recorded.trainings[0]).toEqual(training);
  });
});

describe('a table with recorded trainings', () => {
  const of = { measuredAt: '2026-11-24', device: 'a machine' };
  const measured = (alone: MeasuredNet['alone']): Measured => ({
    ...{ schema: 1, supernet: { id: 'tiny', sha256: 'f'.repeat(64) }, testImages: 100, recordedMeans: recorded.means! },
    nets: [{ id: 'spread-1', role: 'spread', name: 'smallest', macs: 5000, latencyMs: 0.1, supernetTop1: 0.92, alone }],
    cost: { specializationSeconds: 2, evaluations: 100 },
    ...{ device: 'this machine', versions: training.versions, measuredAt: '2026-12-01T00:00:00.000Z' },
  });

  it('says how many there are, of which day, and what is known as a mean alone', async () => {
    const both = measured([
      { seed: 1, testTop1: 0.9236, recorded: of },
      { seed: 2, testTop1: 0.9, cpuSeconds: 787, lastTenth: 0, epochs: 4 },
    ]);
    const table = tableOf(both);
    expect(table).toContain('| 92.00 | 91.18 (92.36, 90.00) | +0.82 |');
    expect(table).toContain(
      'Recorded, not trained for this table: 1 of the 2 trainings alone (a machine, 2026-11-24); ' +
        'processor time and rise of 1 of them are known only as means over 9 trainings.',
    );
    expect(table).toContain('rose by +0.11 points on average'); // of 0.22, the recorded mean, and 0
    expect(table).toContain('from scratch costs 1,000: 500 times as much'); // of 1,213, the recorded mean, and 787
    for (const svg of (await figuresOf(both)).values()) expect(svg).toContain('1 supernet, 1 alone');
  });

  it('takes figures of their own before means, and no mean for a rise that was not looked at', () => {
    const table = tableOf(measured([{ seed: 1, testTop1: 0.9236, cpuSeconds: 900, recorded: of }]));
    expect(table).toContain('1 of the 1 trainings alone (a machine, 2026-11-24).');
    expect(table).toContain('from scratch costs 900: 450 times as much');
    expect(table).not.toContain('on average over the last tenth');
  });

  it('says nothing of records where there are none', () => {
    expect(tableOf(measured([{ seed: 1, testTop1: 0.9, cpuSeconds: 900 }]))).not.toContain('Recorded');
  });
});
