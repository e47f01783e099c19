import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeRng } from '../../src/common/rng.js';
import { makeGenetics, randomGenome, toArch } from '../../src/search/genome.js';
import { checkFeasibleFast } from '../../src/search/infeasible.js';
import { makeLimits } from '../../src/search/limits.js';
import { dominates, hypervolume, paretoFront } from '../../src/search/pareto.js';
import { search } from '../../src/search/search.js';
import { shrinkToFit } from '../../src/search/shrink.js';
import { assertArchInSpace } from '../../src/space/arch.js';
import { archCosts } from '../../src/space/costs.js';
import { describeWith, limitOn, makeObjective, toyScore } from '../unit/search/toy-objective.js';
import { everyArch } from '../unit/space/every-arch.js';
import { bundledSpace, MBV3_W10 } from '../unit/space/published-spaces.js';
import { tinySpace } from '../unit/space/tiny-space.js';

// Few values, so that ties are frequent.
const points = fc.array(fc.record({ score: fc.integer({ min: 0, max: 9 }), cost: fc.integer({ min: 0, max: 9 }) }));

describe('laws of fronts', () => {
  it('no point of a front is dominated, and every other point is dominated or tied', () => {
    fc.assert(
      fc.property(points, (all) => {
        const front = paretoFront(all);
        for (const kept of front) expect(all.some((other) => dominates(other, kept))).toBe(false);
        for (const other of all) {
          const isCovered = front.some((kept) => kept.score >= other.score && kept.cost <= other.cost);
          expect(isCovered).toBe(true);
        }
      }),
    );
  });

  it('the hypervolume is the number of unit cells that some point covers', () => {
    fc.assert(
      fc.property(points, (all) => {
        let cells = 0;
        for (let score = 0; score < 9; score++) {
          for (let cost = 0; cost < 9; cost++) {
            if (all.some((point) => point.score >= score + 1 && point.cost <= cost)) cells++;
          }
        }
        expect(hypervolume(all, { score: 0, cost: 9 })).toBe(cells);
      }),
    );
  });
});

describe('laws of searches', () => {
  const space = bundledSpace();

  it('every candidate lies in the space and meets the constraints, and the front holds the best of all that was scored', async () => {
    const runs = fc.record({
      seed: fc.nat(),
      megaMacs: fc.integer({ min: 2, max: 14 }),
      evaluations: fc.integer({ min: 1, max: 600 }),
    });
    await fc.assert(
      fc.asyncProperty(runs, async ({ seed, megaMacs, evaluations }) => {
        const score = toyScore(space, seed);
        const objective = makeObjective(score);
        const limit = limitOn(space, 'macs', megaMacs * 1e6);
        const { resolutions } = space;
        const describe_ = describeWith(space);
        const result = await search({
          space,
          objective,
          constraints: [limit],
          describe: describe_,
          evaluations,
          seed,
          resolutions,
          frontAxis: 'maxMacs',
        });
        const scored = objective.asked.map((arch) => ({ score: score(arch), cost: archCosts(space, arch).macs }));
        // Changes are scored also where they do not fit; those count as evaluations and are no candidates.
        const expected = paretoFront(scored.filter(({ cost }) => cost <= limit.max));
        expect(result.paretoFront.map(({ predictedTop1, macs }) => ({ score: predictedTop1, cost: macs }))).toEqual(
          expected,
        );
        expect(result.best).toEqual(result.paretoFront.at(-1));
        expect(result.evaluations).toBe(scored.length);
        for (const { arch, macs } of result.paretoFront) {
          assertArchInSpace(space, arch);
          expect(macs).toBeLessThanOrEqual(limit.max);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('shrinking makes feasible whatever the smallest network is, and leaves feasible genomes alone', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 70, max: 600 }), (seed, megaMacs) => {
        const rng = makeRng(seed);
        const genetics = makeGenetics(MBV3_W10, MBV3_W10.resolutions);
        const genomes = Array.from({ length: 5 }, () => randomGenome(genetics, rng));
        const limit = limitOn(MBV3_W10, 'macs', megaMacs * 1e6);
        const limits = makeLimits(genetics, [limit], { axis: limit.cost, axisId: limit.id });
        const fitted = shrinkToFit(genetics, genomes, limits, rng);
        expect(fitted.length).toBe(5);
        fitted.forEach((genome, index) => {
          expect(archCosts(MBV3_W10, toArch(genetics, genome)).macs).toBeLessThanOrEqual(limit.max);
          const wasFeasible = archCosts(MBV3_W10, toArch(genetics, genomes[index]!)).macs <= limit.max;
          if (wasFeasible) expect(genome).toEqual(genomes[index]);
        });
      }),
      { numRuns: 30 },
    );
  });

  it('infeasibility and the nearest feasible values are those of brute force', () => {
    const tiny = tinySpace();
    const costs = everyArch(tiny).map((arch) => archCosts(tiny, arch));
    const limits = fc.record({
      macs: fc.integer({ min: 10_000, max: 60_000 }),
      params: fc.integer({ min: 2_000, max: 8_000 }),
      peakMemoryBytes: fc.integer({ min: 1_000, max: 9_000 }),
    });
    const keys = ['macs', 'params', 'peakMemoryBytes'] as const;
    fc.assert(
      fc.property(limits, (max) => {
        const constraints = keys.map((key) => limitOn(tiny, key, max[key]));
        const report = checkFeasibleFast(tiny, constraints, tiny.resolutions);
        const isFeasible = costs.some((cost) => keys.every((key) => cost[key] <= max[key]));
        expect(report === undefined).toBe(isFeasible);
        keys.forEach((key, index) => {
          if (report === undefined) return;
          const others = costs.filter((cost) => keys.every((other) => other === key || cost[other] <= max[other]));
          const nearest = others.length === 0 ? undefined : Math.min(...others.map((cost) => cost[key]));
          expect(report.nearestFeasible[constraints[index]!.id]).toBe(nearest);
          const smallest = Math.min(...costs.map((cost) => cost[key]));
          expect(report.binding.includes(constraints[index]!.id)).toBe(smallest > max[key]); // monotone costs: alone or not at all
        });
      }),
      { numRuns: 60 },
    );
  });
});
