import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { search } from '../../../src/search/search.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import { parseArch } from '../../../src/space/reference-spelling.js';
import type { Arch } from '../../../src/space/types.js';
import { MBV3_W10 } from '../space/published-spaces.js';
import { describeWith, limitOn, makeObjective } from './toy-objective.js';

const FILE = `${process.env.BESPOKE_REFERENCE ?? '../shared/reference'}/search/s1_objective.json`;

/** A synthetic accuracy in points over the published space, with exact optima under MAC limits by dynamic programming. */
interface PublishedObjective {
  readonly resolutions: readonly number[];
  readonly unit: readonly (readonly number[])[];
  readonly pair: readonly (readonly (readonly number[])[])[];
  readonly depth: readonly (readonly number[])[];
  readonly res: Readonly<Record<string, number>>;
  readonly optimum: Readonly<Record<string, { readonly acc: number; readonly arch: unknown; readonly macs: number }>>;
}

/** The file's formula: resolution, depths, blocks, and pairs of neighbouring blocks. */
function accuracy({ unit, pair, depth, res }: PublishedObjective, arch: Arch): number {
  let sum = res[arch.resolution]!;
  arch.depths.forEach((blocks, stage) => {
    sum += depth[stage]![blocks]!;
    let before = -1;
    for (let slot = 4 * stage; slot < 4 * stage + blocks; slot++) {
      const kernel = MBV3_W10.kernelSizes.indexOf(arch.kernelSizes[slot]!);
      const choice = 3 * kernel + MBV3_W10.expandRatios.indexOf(arch.expandRatios[slot]!);
      sum += unit[slot]![choice]! + (before < 0 ? 0 : pair[slot]![before]![choice]!);
      before = choice;
    }
  });
  return sum;
}

describe.skipIf(!existsSync(FILE))('search on the published synthetic objective', () => {
  const load = (): PublishedObjective => JSON.parse(readFileSync(FILE, 'utf8')) as PublishedObjective; // told in the data's README

  it('is scored and counted as the file says', () => {
    const objective = load();
    for (const { arch: json, acc, macs } of Object.values(objective.optimum)) {
      const arch = parseArch(MBV3_W10, json);
      expect(accuracy(objective, arch)).toBeCloseTo(acc, 9);
      expect(makeCostTable(MBV3_W10).macs([arch])[0]).toBe(macs);
    }
  });

  it('comes within 0.05 points of the exact optimum in 50,100 evaluations, where the published search stays 0.4 below', async () => {
    const published = load();
    const regrets: number[] = [];
    for (const megaMacs of [200, 300]) {
      const { best } = await search({
        space: MBV3_W10,
        objective: makeObjective((arch) => accuracy(published, arch)),
        constraints: [limitOn(MBV3_W10, 'macs', megaMacs * 1e6)],
        describe: describeWith(MBV3_W10),
        evaluations: 50_100,
        seed: 1,
        resolutions: published.resolutions,
        frontAxis: 'maxMacs',
      });
      regrets.push(published.optimum[megaMacs]!.acc - best.predictedTop1);
    }
    expect(Math.min(...regrets)).toBeGreaterThan(-1e-4); // float32 rounding of the scores; more would beat an exact optimum
    expect(Math.max(...regrets)).toBeLessThan(0.05);
  });
});
