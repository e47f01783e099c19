import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../../src/search/types.js';
import type { ArchId } from '../../../src/space/types.js';
import { measuredShortfall, nextCandidate } from '../../../src/specialize/choose.js';

const candidate = (id: string, predictedTop1: number, predictedLatencyMs: number): Candidate => ({
  arch: { spaceId: 's', kernelSizes: [], expandRatios: [], depths: [], resolution: 8 },
  archId: id as ArchId, // any text identifies a candidate here
  predictedTop1,
  predictedLatencyMs,
  macs: predictedLatencyMs * 1e6,
  params: 1,
  modelBytes: 1,
  peakMemoryBytes: 1,
});
const front = [candidate('fast', 0.9, 1), candidate('middle', 0.92, 2), candidate('slow', 0.94, 3)];

describe('nextCandidate', () => {
  it('takes the most accurate one when no latency is limited', () => {
    expect(nextCandidate({ front, tried: new Set(), maxLatencyMs: undefined, latencyRatio: 9 })?.archId).toBe('slow');
  });

  it('takes the most accurate one that keeps the budget at the ratio seen so far', () => {
    const at = (latencyRatio: number) =>
      nextCandidate({ front, tried: new Set(), maxLatencyMs: 3, latencyRatio })?.archId;
    expect(at(1)).toBe('slow');
    expect(at(1.01)).toBe('middle');
    expect(at(2)).toBe('fast');
  });

  it('takes the fastest one left when none is expected to keep the budget', () => {
    const tried = new Set(['fast']);
    expect(nextCandidate({ front, tried, maxLatencyMs: 1, latencyRatio: 1 })?.archId).toBe('middle');
  });

  it('takes the cheapest one that is accurate enough for the objectives latency and macs, else the most accurate', () => {
    for (const objective of ['latency', 'macs'] as const) {
      const at = (minTop1?: number, tried: readonly string[] = []) => {
        const state = { front, objective, tried: new Set(tried), maxLatencyMs: undefined, latencyRatio: 1 };
        return nextCandidate({ ...state, ...(minTop1 === undefined ? {} : { minTop1 }) })?.archId;
      };
      expect(at()).toBe('fast');
      expect(at(0.91)).toBe('middle');
      expect(at(0.91, ['middle'])).toBe('slow');
      expect(at(0.99)).toBe('slow');
      expect(at(0.99, ['slow'])).toBe('middle');
    }
  });

  it('expects of the next one what measuring fell short of predictions so far, and never a gain', () => {
    expect(measuredShortfall([])).toBe(0);
    expect(measuredShortfall([0.01, -0.02, 0.03])).toBe(0.01);
    expect(measuredShortfall([-0.02])).toBe(0);
  });

  it('ends when all were tried', () => {
    const tried = new Set(front.map(({ archId }) => archId as string));
    expect(nextCandidate({ front, tried, maxLatencyMs: 3, latencyRatio: 1 })).toBeUndefined();
  });
});
