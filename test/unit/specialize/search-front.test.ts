import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../../src/search/types.js';
import type { ArchId } from '../../../src/space/types.js';
import { makeFrontTeller } from '../../../src/specialize/search-front.js';

const candidate = (macs: number): Candidate => ({
  arch: { spaceId: 's', kernelSizes: [], expandRatios: [], depths: [], resolution: 8 },
  archId: String(macs) as ArchId,
  ...{ predictedTop1: 0.5 + macs / 1e6, macs, params: 1, modelBytes: 1, peakMemoryBytes: 1 },
});

describe('the front of a search under way', () => {
  it('is told now and then, and not looked at in between', () => {
    let nowMs = 0;
    let looks = 0;
    const front = (): Candidate[] => {
      looks++;
      return [candidate(1), candidate(2)];
    };
    const tell = makeFrontTeller(() => nowMs, 'macs');
    expect(tell(100, front).front).toMatchObject({
      evaluations: 100,
      axis: 'macs',
      points: [{ macs: 1 }, { macs: 2 }],
    });
    nowMs = 499;
    expect(tell(200, front)).toEqual({});
    nowMs = 500;
    expect(tell(300, front).front?.evaluations).toBe(300);
    expect(looks).toBe(2);
  });

  it('is thinned, and keeps both ends and the order', () => {
    const all = Array.from({ length: 1000 }, (_, i) => candidate(i));
    const { front } = makeFrontTeller(() => 0, 'macs')(1, () => all);
    const macs = front?.points.map((point) => point.macs) ?? [];
    expect(macs).toHaveLength(64);
    expect([macs[0], macs.at(-1)]).toEqual([0, 999]);
    expect(macs).toEqual([...macs].sort((a, b) => a - b));
    expect(new Set(macs).size).toBe(64);
  });
});
