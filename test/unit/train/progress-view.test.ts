import { describe, expect, it } from 'vitest';
import { nextRecord, ProgressCurves, type ProgressRecord } from '../../../src/train/progress-view.js';
import type { TrainEvent } from '../../../src/train/train-events.js';

const START: ProgressRecord = {
  ...{ schema: 1, status: 'running', updated: '', pid: 1, recipe: 'r', steps: 40, step: 0 },
  phases: [
    { name: 'full', images: 0 },
    { name: 'elastic', images: 160 },
  ],
  checkpointStep: 0,
  warnings: [],
};

const window = (step: number, loss: number): TrainEvent => ({
  ...{ kind: 'window', step, steps: 40, phase: 'full', images: step * 8, imagesPerSecond: 2, etaMs: 65_000 },
  ...{ elapsedMs: 1, lr: 0.1 / step, gradientNorm: 1 },
  roles: { largest: { loss, top1: 0.5, passMs: 1 }, random: { loss: loss * 2, top1: 0.4, passMs: 1 } },
});

const EVENTS: readonly TrainEvent[] = [
  { kind: 'started', step: 0, steps: 40, lowering: 'standard' },
  window(5, 2),
  { kind: 'checkpoint', step: 9, path: 'there' },
  window(10, 1),
  { kind: 'warning', step: 10, detail: 'careful' },
  { kind: 'validation', step: 10, images: 80, batchStatisticsTop1: { largest: 0.9, random0: 0.6, random1: 0.8 } },
];

const recordAfter = (events: readonly TrainEvent[]): ProgressRecord => events.reduce(nextRecord, START);

function curvesOf(events: readonly TrainEvent[]): ProgressCurves {
  const curves = new ProgressCurves();
  for (const event of events) curves.add(event);
  return curves;
}

describe('the record of a run', () => {
  it('has the latest of everything', () => {
    expect(recordAfter(EVENTS)).toMatchObject({
      ...{ status: 'running', step: 10, checkpointStep: 9, warnings: ['careful'] },
      window: { images: 80, etaMs: 65_000, roles: { largest: { loss: 1 } } },
      validation: { step: 10, batchStatisticsTop1: { largest: 0.9 } },
    });
  });

  it('says how it ended, and runs again when it is gone on with', () => {
    const failed = recordAfter([...EVENTS, { kind: 'failed', step: 12, detail: 'no space' }]);
    expect(failed).toMatchObject({ status: 'failed', reason: 'no space', step: 12 });
    const again = nextRecord(failed, { kind: 'started', step: 9, steps: 40, lowering: 'standard' });
    expect(again).toMatchObject({ status: 'running', step: 9 });
    expect(again.reason).toBeUndefined();
    const stopped = recordAfter([...EVENTS, { kind: 'stopped', step: 12, reason: 'aborted' }]);
    expect(stopped).toMatchObject({ status: 'stopped', reason: 'aborted' });
  });

  it('keeps the last warnings alone', () => {
    const many = Array.from({ length: 15 }, (_, i): TrainEvent => ({ kind: 'warning', step: i, detail: `w${i}` }));
    expect(recordAfter(many).warnings).toEqual(Array.from({ length: 10 }, (_, i) => `w${i + 5}`));
  });
});

describe('the curves of a run', () => {
  it('are loss by role, top-1 with the mean of the random nets, and the learning rate, over images', () => {
    const view = curvesOf(EVENTS).view(recordAfter(EVENTS));
    expect(view.loss).toEqual([
      {
        name: 'largest',
        points: [
          [40, 2],
          [80, 1],
        ],
      },
      {
        name: 'random',
        points: [
          [40, 4],
          [80, 2],
        ],
      },
    ]);
    expect(view.top1.map(({ name }) => name)).toEqual(['largest', 'random']);
    expect(view.top1[1]?.points[0]?.[1]).toBeCloseTo(0.7, 12);
    expect(view.learningRate).toEqual([
      [40, 0.02],
      [80, 0.01],
    ]);
    expect(view.subtitle).toBe('step 10 of 40 (25.0 %), 1 min 05 s left');
  });

  it('show a phase once it has begun', () => {
    const names = (events: readonly TrainEvent[]) =>
      curvesOf(events)
        .view(recordAfter(events))
        .phases.map(({ name }) => name);
    expect(names([])).toEqual(['full']);
    expect(names(EVENTS)).toEqual(['full']);
    expect(names([...EVENTS, window(21, 1)])).toEqual(['full', 'elastic']);
  });
});
