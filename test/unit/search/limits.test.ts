import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { makeGenetics, randomGenome, toArch } from '../../../src/search/genome.js';
import { makeLimits } from '../../../src/search/limits.js';
import type { Constraint } from '../../../src/search/types.js';
import { bundledSpace } from '../space/published-spaces.js';
import { limitOn } from './toy-objective.js';

describe('limits', () => {
  const space = bundledSpace();
  const genetics = makeGenetics(space, space.resolutions);
  const rng = makeRng(81);
  const genomes = Array.from({ length: 200 }, () => randomGenome(genetics, rng));
  const archs = genomes.map((genome) => toArch(genetics, genome));
  /** A limit on the median cost of the genomes: some stand on it. */
  const atMedian = (key: 'macs' | 'peakMemoryBytes'): Constraint => {
    const { cost } = limitOn(space, key, 0);
    const ascending = cost(archs).toSorted();
    return limitOn(space, key, ascending[100]!);
  };
  const odd: Constraint = {
    id: 'odd',
    max: 0,
    cost: (some) => Float64Array.from(some, (_, i) => (i % 3 ? 0 : Number.NaN)),
  };

  it.each([
    ['one that adds up', [atMedian('macs')]],
    ['one that does not', [atMedian('peakMemoryBytes')]],
    ['both', [atMedian('macs'), atMedian('peakMemoryBytes')]],
    ['none', []],
  ])('are met by the same genomes one by one and together as the constraints say: %s', (_, constraints) => {
    const axis = limitOn(space, 'macs', 0).cost;
    const limits = makeLimits(genetics, constraints, { axis, axisId: 'macs' });
    const costs = constraints.map(({ cost }) => cost(archs));
    const expected = genomes.map((__, i) => constraints.every(({ max }, at) => costs[at]![i]! <= max));
    expect(genomes.map((genome) => limits.meets(genome))).toEqual(expected);
    expect(Array.from(limits.meetEach(genomes), (meets) => meets === 1)).toEqual(expected);
    if (constraints.length > 0) expect(new Set(expected).size).toBe(2);
  });

  it('are not met by a cost that is no number', () => {
    const limits = makeLimits(genetics, [odd], { axis: odd.cost, axisId: 'odd' });
    expect([...limits.meetEach(genomes)]).toEqual(genomes.map((_, i) => (i % 3 ? 1 : 0)));
    expect(limits.meets(genomes[0]!)).toBe(false);
  });
});
