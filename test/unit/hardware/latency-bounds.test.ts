import { describe, expect, it } from 'vitest';
import { relativeResiduals } from '../../../src/hardware/fit.js';
import { latencyInterval, latencyUpperFactor } from '../../../src/hardware/latency-bounds.js';
import type { LatencyProfile } from '../../../src/hardware/types.js';

const PROFILE: LatencyProfile = {
  schema: 1,
  hardware: {
    ...{ id: 'phone', name: 'A phone', device: 'cpu', runtime: 'any', precision: 'fp32', threads: 1, batch: 1 },
    provenance: 'measured',
  },
  spaceId: 'tiny',
  statistic: 'p50',
  method: 'table',
  revision: '',
  resolutions: [12],
  table: {},
  scale: 1,
  offsetMs: 0,
  holdout: { nets: 9, mapePercent: 5, p90Percent: 10, maxPercent: 20, kendallTau: 0.9 },
  residuals: [-0.08, -0.05, -0.02, 0, 0.01, 0.03, 0.04, 0.06, 0.2],
};

describe('bounds of latencies', () => {
  it('takes residuals as shares of what was predicted', () => {
    expect(relativeResiduals([1, 2, 4], [1.5, 1, 4])).toEqual([-0.5, 0, 0.5]);
  });

  it('gives a two-sided interval by the sizes of the residuals', () => {
    const { low, high } = latencyInterval(PROFILE, 2, 0.8) ?? { low: 0, high: 0 };
    expect(low).toBeCloseTo(2 * 0.92, 12); // the 8th of nine sizes is 0.08
    expect(high).toBeCloseTo(2 * 1.08, 12);
    expect(latencyInterval(PROFILE, 2, 0.95)).toBeUndefined(); // nine allow 0.9
  });

  it('gives a one-sided bound by the signed residuals', () => {
    expect(latencyUpperFactor(PROFILE, 0.8)).toBeCloseTo(1.06, 12); // the 8th from below
    expect(latencyUpperFactor(PROFILE, 0.9)).toBeCloseTo(1.2, 12);
    expect(latencyUpperFactor(PROFILE, 0.3)).toBeCloseTo(0.98, 12);
  });

  it('says which confidence its networks allow, and that none is possible without them', () => {
    const { residuals: _, ...bare } = PROFILE;
    const { holdout: __, ...table } = bare;
    expect(() => latencyUpperFactor(PROFILE, 0.95)).toThrow(/9 held-out networks.*up to 0\.9000; asked was 0\.95/);
    expect(() => latencyUpperFactor(bare, 0.9)).toThrow(/cannot promise a confidence/);
    expect(latencyInterval(bare, 2, 0.9)).toEqual({ low: 2 / 1.1, high: 2 / 0.9 });
    expect(latencyInterval(table, 2, 0.9)).toBeUndefined();
  });
});
