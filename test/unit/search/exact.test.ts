import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { type AdditiveTerms, exactFront } from '../../../src/search/exact.js';
import { paretoFront } from '../../../src/search/pareto.js';
import { blockChoices } from '../../../src/space/choices.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import { stageOffsets } from '../../../src/space/slots.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { everyArch } from '../space/every-arch.js';
import { MBV3_W10, smallResNet } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';

/** The sum of terms over an arch, term by term: the brute force that dynamic programming is checked by. */
function total(space: SearchSpace, terms: AdditiveTerms, arch: Arch, resolutions: readonly number[]): number {
  const choices = blockChoices(space);
  const at = resolutions.indexOf(arch.resolution);
  const offsets = stageOffsets(space);
  let sum = terms.resolution(at);
  space.stages.forEach(({ depths }, stage) => {
    sum += terms.depth(stage, depths.indexOf(arch.depths[stage]!), at);
    for (let block = 0; block < arch.depths[stage]!; block++) {
      const slot = offsets[stage]! + block;
      sum += terms.unit(slot, choices.at(arch, slot), at);
      if (block > 0) sum += terms.pair?.(slot, choices.at(arch, slot - 1), choices.at(arch, slot)) ?? 0;
    }
    const end = offsets[stage]! + arch.depths[stage]! - 1;
    sum += terms.last?.(end, choices.at(arch, end)) ?? 0;
  });
  return sum;
}

/** Seeded whole-number terms, negative pairs among them. */
function randomTerms(seed: number): AdditiveTerms {
  const rng = makeRng(seed);
  const draw = (key: string, low: number, high: number): number => low + rng.fork(key).int(high - low);
  return {
    resolution: (index) => draw(`r${index}`, 0, 200),
    depth: (stage, index) => draw(`d${stage}.${index}`, -50, 50),
    unit: (slot, choice, at) => draw(`u${slot}.${choice}.${at}`, 1, 300),
    pair: (slot, before, choice) => draw(`p${slot}.${before}.${choice}`, -150, 150),
    last: (slot, choice) => draw(`l${slot}.${choice}`, -150, 150),
  };
}

describe('exactFront', () => {
  const space = tinySpace();
  const { resolutions } = space;

  it('is the front of a whole listed space, each point with an architecture that has its score and cost', () => {
    const archs = everyArch(space);
    for (const seed of [1, 2, 3]) {
      const score = randomTerms(seed);
      const { pair: _, last: __, ...cost } = randomTerms(100 + seed);
      const all = archs.map((arch) => ({
        score: total(space, score, arch, resolutions),
        cost: total(space, cost, arch, resolutions),
      }));
      const costs = all.map((each) => each.cost).sort((a, b) => a - b);
      const maxCost = costs[Math.floor(costs.length / 2)]!;
      const front = exactFront({ space, resolutions, score, cost, maxCost });
      const expected = paretoFront(all.filter((each) => each.cost <= maxCost));
      expect(expected.length).toBeGreaterThan(5);
      expect(front.points.map((point) => ({ score: point.score, cost: point.cost }))).toEqual(expected);
      front.points.forEach((point, index) => {
        const arch = front.archAt(index);
        expect(total(space, score, arch, resolutions)).toBe(point.score);
        expect(total(space, cost, arch, resolutions)).toBe(point.cost);
      });
    }
  });

  it('refuses a limit below the cheapest, and spaces whose blocks are coupled', () => {
    const score = randomTerms(1);
    expect(() => exactFront({ space, resolutions, score, cost: score, maxCost: -1e6 })).toThrow(
      /costs at most -1000000/,
    );
    const coupled = smallResNet();
    const problem = { space: coupled, resolutions: coupled.resolutions, score, cost: score, maxCost: 1 };
    expect(() => exactFront(problem)).toThrow(/elastic widths/);
  });
});

const FILE = `${process.env.BESPOKE_REFERENCE ?? '../shared/reference'}/search/s1_objective.json`;

describe.skipIf(!existsSync(FILE))('exactFront on the published synthetic objective', () => {
  it('finds the recorded optima', () => {
    // The file's form is told in its folder's README.
    const file = JSON.parse(readFileSync(FILE, 'utf8')) as {
      readonly resolutions: readonly number[];
      readonly unit: readonly (readonly number[])[];
      readonly pair: readonly (readonly (readonly number[])[])[];
      readonly depth: readonly (readonly number[])[];
      readonly res: Readonly<Record<string, number>>;
      readonly macs: Readonly<
        Record<string, { readonly fixed: number; readonly blocks: readonly (readonly number[])[] }>
      >;
      readonly optimum: Readonly<Record<string, { readonly acc: number }>>;
    };
    const { resolutions } = file;
    const macsAt = (index: number) => file.macs[`${resolutions[index]}`]!;
    const front = exactFront({
      space: MBV3_W10,
      resolutions,
      score: {
        resolution: (index) => file.res[`${resolutions[index]}`]!,
        depth: (stage, index) => file.depth[stage]![MBV3_W10.stages[stage]!.depths[index]!]!,
        unit: (slot, choice) => file.unit[slot]![choice]!,
        pair: (slot, before, choice) => file.pair[slot]![before]![choice]!,
      },
      cost: {
        resolution: (index) => macsAt(index).fixed,
        depth: () => 0,
        unit: (slot, choice, index) => macsAt(index).blocks[slot]![choice]!,
      },
      maxCost: 400e6,
    });
    const costs = makeCostTable(MBV3_W10);
    for (const megaMacs of [150, 200, 300, 400]) {
      const index = front.points.findLastIndex(({ cost }) => cost <= megaMacs * 1e6);
      expect(front.points[index]!.score).toBeCloseTo(file.optimum[megaMacs]!.acc, 9);
      expect(costs.macs([front.archAt(index)])[0]).toBe(front.points[index]!.cost); // counted by the lowering
    }
  });
});
