import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { assessFeasibility } from '../../../src/search/feasibility.js';
import { everyGenome, makeGenetics, toArch } from '../../../src/search/genome.js';
import type { Constraint } from '../../../src/search/types.js';
import { makeBlockTable } from '../../../src/space/block-table.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import { PUBLISHED_SPACES } from '../../../src/space/published.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { TINY_SPACE } from '../../helpers/tiny-bundle.js';

/** Small enough that every network can be listed: the oracle is brute force. */
const SPACE: SearchSpace = {
  ...TINY_SPACE,
  id: 'listed',
  kernelSizes: [3, 5],
  expandRatios: [2, 4],
  stages: TINY_SPACE.family === 'mobilenet-v3' ? TINY_SPACE.stages.map((stage) => ({ ...stage, depths: [1, 2] })) : [],
} as SearchSpace; // the family is that of the tiny space

const genetics = makeGenetics(SPACE, SPACE.resolutions);
const ALL: readonly Arch[] = Array.from(everyGenome(genetics), (genome) => toArch(genetics, genome));
const costs = makeCostTable(SPACE);

/** Times that grow with nothing: a larger choice is often faster. */
function randomTimes(seed: number): Constraint['cost'] {
  const rng = makeRng(seed).fork('times');
  const known = new Map<string, number>();
  const table = makeBlockTable(SPACE, (layers) => {
    const key = JSON.stringify(layers.map(({ name: _, input: __, ...shape }) => shape));
    const ms = known.get(key) ?? rng.next();
    known.set(key, ms);
    return ms;
  });
  return (archs) => table.total(archs).map((sum) => 1.3 * sum + 0.2);
}

const COSTS = [
  ['maxMacs', costs.macs],
  ['maxParams', costs.params],
  ['maxModelBytes', costs.modelBytes],
  ['maxPeakMemoryBytes', costs.peakMemoryBytes],
] as const;

/** Limits near the edge of what is possible, drawn from the costs of one network each. */
function drawLimits(seed: number): Constraint[] {
  const rng = makeRng(seed).fork('limits');
  const all = [...COSTS, ['maxLatencyMs', randomTimes(seed)] as const].filter(() => rng.chance(0.6));
  return all.map(([id, cost]) => {
    const values = cost(ALL).slice().sort();
    return { id, cost, max: values[Math.floor(rng.next() ** 3 * 0.3 * values.length)]! * (rng.chance(0.3) ? 0.97 : 1) };
  });
}

function fits(limits: readonly Constraint[], archs: readonly Arch[]): boolean[] {
  const columns = limits.map(({ cost, max }) => cost(archs).map((value) => (value <= max ? 1 : 0)));
  return archs.map((_, row) => columns.every((column) => column[row] === 1));
}

describe('assessFeasibility', () => {
  it('agrees with the list of all networks on hundreds of limits, and its proofs hold for each of them', () => {
    const counts = { feasible: 0, infeasible: 0, unknown: 0 };
    for (let seed = 0; seed < 300; seed++) {
      const limits = drawLimits(seed);
      if (limits.length === 0) continue;
      const answer = assessFeasibility(SPACE, limits, SPACE.resolutions);
      counts[answer.verdict]++;
      const isPossible = fits(limits, ALL).includes(true);
      if (answer.verdict === 'feasible') expect(fits(limits, [answer.witness!]), `seed ${seed}`).toEqual([true]);
      if (answer.verdict === 'infeasible') expect(isPossible, `seed ${seed}`).toBe(false);
      for (const { resolution, weights, excess } of answer.proof ?? []) {
        const archs = ALL.filter((arch) => arch.resolution === resolution);
        const columns = limits.map(({ id, cost, max }) =>
          cost(archs).map((value) => ((weights[id] ?? 0) * value) / max),
        );
        const sums = archs.map((_, row) => columns.reduce((sum, column) => sum + column[row]!, 0));
        const smallest = Math.min(...sums);
        const hasPeak = limits.some(({ id }) => id === 'maxPeakMemoryBytes');
        // With a peak limit the proof is of the networks that keep that one.
        const kept = archs.filter(
          (arch) =>
            fits(
              limits.filter(({ id }) => id === 'maxPeakMemoryBytes'),
              [arch],
            )[0],
        );
        if (!hasPeak || weights.maxPeakMemoryBytes !== undefined || kept.length === archs.length) {
          expect(smallest, `seed ${seed}`).toBeGreaterThanOrEqual(1 + excess - 1e-9);
        }
        expect(Object.values(weights).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
        expect(excess).toBeGreaterThan(0);
      }
    }
    // All three occur; what stays open is rare.
    expect(counts.feasible).toBeGreaterThan(20);
    expect(counts.infeasible).toBeGreaterThan(60);
    expect(counts.unknown).toBeLessThan(20);
  });

  it('gives the exact smallest value of a single limit, whatever the times are', () => {
    for (let seed = 0; seed < 40; seed++) {
      const cost = randomTimes(seed);
      const least = Math.min(...cost(ALL));
      const tight = { id: 'maxLatencyMs', cost, max: least * 0.9 };
      const answer = assessFeasibility(SPACE, [tight], SPACE.resolutions);
      expect(answer).toMatchObject({ verdict: 'infeasible', binding: ['maxLatencyMs'] });
      expect(answer.nearestFeasible.maxLatencyMs).toBeCloseTo(least, 12);
      expect(answer.smallestAlone.maxLatencyMs).toBeCloseTo(least, 12);
      expect(cost([answer.closest!])[0]).toBeCloseTo(least, 12);
      expect(assessFeasibility(SPACE, [{ ...tight, max: least }], SPACE.resolutions).verdict).toBe('feasible');
    }
  });

  it('names what two limits exclude together, and a value of each that the other one allows', () => {
    let together = 0;
    for (let seed = 0; seed < 200; seed++) {
      const limits = drawLimits(seed);
      const answer = assessFeasibility(
        SPACE,
        limits.length === 0 ? [{ ...drawLimits(1)[0]! }] : limits,
        SPACE.resolutions,
      );
      if (answer.verdict === 'feasible') continue;
      if (answer.binding.length > 1) together++;
      for (const [id, nearest] of Object.entries(answer.nearestFeasible)) {
        const loosened = limits.map((limit) => (limit.id === id ? { ...limit, max: nearest } : limit));
        expect(fits(loosened, ALL), `seed ${seed}: ${id}`).toContain(true);
      }
    }
    expect(together).toBeGreaterThan(0);
  });

  it('finds the network that exceeds its limits least, or one nearly as near', () => {
    let sum = 0;
    let count = 0;
    for (let seed = 0; seed < 100; seed++) {
      const limits = drawLimits(seed);
      if (limits.length === 0) continue;
      const answer = assessFeasibility(SPACE, limits, SPACE.resolutions);
      if (answer.closest === undefined) continue;
      const excessOf = (archs: readonly Arch[]): number[] => {
        const columns = limits.map(({ cost, max }) => cost(archs).map((value) => Math.max(0, (value - max) / max)));
        return archs.map((_, row) => columns.reduce((total, column) => total + column[row]!, 0));
      };
      const best = Math.min(...excessOf(ALL));
      const found = excessOf([answer.closest])[0]!;
      expect(found).toBeGreaterThanOrEqual(best - 1e-12);
      sum += found - best;
      count++;
    }
    expect(sum / count).toBeLessThan(0.01); // one percent of a limit on average
  });

  it('proves limits on monotone costs for every published space', () => {
    for (const space of PUBLISHED_SPACES) {
      const table = makeCostTable(space);
      const limits = [
        { id: 'maxMacs', cost: table.macs, max: 1000 },
        { id: 'maxParams', cost: table.params, max: 1e9 },
      ];
      const answer = assessFeasibility(space, limits, space.resolutions.slice(0, 2));
      expect(answer).toMatchObject({ verdict: 'infeasible', binding: ['maxMacs'] });
      expect(Object.keys(answer.nearestFeasible)).toEqual(['maxMacs']);
      expect(answer.proof).toHaveLength(2);
    }
  });
});
