import { describe, expect, it } from 'vitest';
import type { Arch } from '../../../src/space/types.js';
import { spreadOver, warmArchs } from '../../../src/specialize/warm-start.js';

const front = (name: number, count: number): Arch[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ spaceId: String(name), kernelSizes: [], expandRatios: [], depths: [] },
    resolution: i,
  }));

describe('the architectures that a search begins with', () => {
  it('take a fifth of the evaluations at most, shared by the fronts, both ends of each among them', () => {
    const archs = warmArchs([front(1, 1000), front(2, 10), front(3, 1000)], 1500);
    expect(archs).toHaveLength(100 + 10 + 100);
    const first = archs.filter(({ spaceId }) => spaceId === '1').map(({ resolution }) => resolution);
    expect([first[0], first.at(-1)]).toEqual([0, 999]);
  });

  it('come from the four newest fronts, up to 200 of each', () => {
    const archs = warmArchs(
      [1, 2, 3, 4, 5].map((name) => front(name, 1000)),
      1_000_000,
    );
    expect(archs).toHaveLength(800);
    expect(new Set(archs.map(({ spaceId }) => spaceId))).toEqual(new Set(['1', '2', '3', '4']));
  });

  it('are none without a front, and none where evaluations are few', () => {
    expect(warmArchs([], 50_000)).toEqual([]);
    expect(warmArchs([front(1, 5)], 4)).toEqual([]);
  });

  it('are spread evenly; of one, the most accurate is taken', () => {
    expect(spreadOver([1, 2, 3, 4, 5], 3)).toEqual([1, 3, 5]);
    expect(spreadOver([1, 2, 3, 4, 5], 1)).toEqual([5]);
    expect(spreadOver([1, 2], 3)).toEqual([1, 2]);
  });
});
