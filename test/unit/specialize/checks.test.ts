import { describe, expect, it } from 'vitest';
import { checkAll, imageChecks, noticesOf } from '../../../src/specialize/checks.js';
import type { MeasuredFigures } from '../../../src/specialize/types.js';

const measured: MeasuredFigures = {
  measuredTop1: 0.9,
  top1Images: 2000,
  measuredLatency: {
    statistic: 'p50',
    valueMs: 0.98,
    lowMs: 0.97,
    highMs: 1.01,
    samples: 300,
    p50Ms: 0.98,
    p90Ms: 1.1,
    p99Ms: 1.3,
  },
  parityRelative: 1e-6,
  macs: 100,
  params: 50,
  modelParams: 40,
  modelBytes: 1000,
  peakMemoryBytes: 500,
};
const outcomes = (...args: Parameters<typeof checkAll>) =>
  Object.fromEntries(checkAll(...args).map(({ id, outcome }) => [id, outcome]));

describe('checkAll', () => {
  it('checks parity always and limits only where they were asked for', () => {
    expect(outcomes({}, measured, '')).toEqual({ parity: 'passed' });
  });

  it('passes a latency only if the upper end of its interval keeps the budget', () => {
    expect(outcomes({ maxLatencyMs: 1 }, measured, '').maxLatencyMs).toBe('failed');
    expect(outcomes({ maxLatencyMs: 1.01 }, measured, '').maxLatencyMs).toBe('passed');
  });

  it('says why a latency was not measured', () => {
    const { measuredLatency: _, ...without } = measured;
    const check = checkAll({ maxLatencyMs: 1 }, without, 'another machine').find(({ id }) => id === 'maxLatencyMs');
    expect(check).toMatchObject({ outcome: 'notMeasured', detail: 'another machine', limit: 1 });
  });

  it('treats every limit as inclusive, and the least top-1 as a lower bound', () => {
    const equal = { maxMacs: 100, maxParams: 50, maxModelBytes: 1000, maxPeakMemoryBytes: 500, minTop1: 0.9 };
    expect(Object.values(outcomes(equal, measured, ''))).toEqual(Array(6).fill('passed'));
    const beyond = { maxMacs: 99, maxParams: 49, maxModelBytes: 999, maxPeakMemoryBytes: 499, minTop1: 0.9001 };
    const { parity, ...rest } = outcomes(beyond, measured, '');
    expect(parity).toBe('passed');
    expect(Object.values(rest)).toEqual(Array(5).fill('failed'));
  });

  it('fails parity beyond its limit, and when it is not a number', () => {
    expect(outcomes({}, { ...measured, parityRelative: 2e-4 }, '').parity).toBe('failed');
    expect(outcomes({}, { ...measured, parityRelative: Number.NaN }, '').parity).toBe('failed');
  });
});

describe('what a bundle without images allows', () => {
  const idsOf = (calibrationImages: number, isLabeled: boolean) =>
    imageChecks({ calibrationImages, isLabeled }).map(({ id, outcome }) => `${id} ${outcome}`);

  it('is a check that was not measured for each kind of image that is missing', () => {
    expect(idsOf(2000, true)).toEqual([]);
    expect(idsOf(0, false)).toEqual(['calibration notMeasured', 'top1 notMeasured']);
    expect(idsOf(0, true)).toEqual(['calibration notMeasured']);
    expect(idsOf(2000, false)).toEqual(['top1 notMeasured']);
  });

  it('becomes the sentences that a report begins with; other checks do not', () => {
    const notices = noticesOf([
      ...checkAll({ maxMacs: 1 }, measured, ''),
      ...imageChecks({ calibrationImages: 0, isLabeled: false }),
    ]);
    expect(notices).toHaveLength(2);
    expect(notices[0]).toMatch(/^Batch-normalization statistics were not calibrated: .*\.$/);
    expect(notices[1]).toMatch(/^No accuracy was measured: .*top-1 is predicted\.$/);
  });
});
