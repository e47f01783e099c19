import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AdditiveTerms, ExactProblem } from '../src/search/exact.js';
import type { Objective } from '../src/search/types.js';
import type { Arch } from '../src/space/types.js';
import { MBV3_W10 } from '../test/unit/space/published-spaces.js';

/** The reference data folder. */
export const REFERENCE = process.env.BESPOKE_REFERENCE ?? '../shared/reference';

/** A synthetic accuracy in points over the published space; its optima under MAC limits are exact, by dynamic programming. */
interface PublishedObjective {
  readonly resolutions: readonly number[];
  readonly unit: readonly (readonly number[])[];
  readonly pair: readonly (readonly (readonly number[])[])[];
  readonly depth: readonly (readonly number[])[];
  readonly res: Readonly<Record<string, number>>;
  readonly optimum: Readonly<Record<string, { readonly acc: number }>>;
  /** Per resolution what is fixed, and what each slot's choices cost. */
  readonly macs: Readonly<Record<string, { readonly fixed: number; readonly blocks: readonly (readonly number[])[] }>>;
}

/** What the published search reached with the same objective, told in points below the optimum. */
interface PublishedResult {
  readonly ea_regret_mean: number;
  readonly rs_regret_mean: number;
}

export interface SyntheticProblem {
  readonly space: typeof MBV3_W10;
  readonly resolutions: readonly number[];
  readonly objective: Objective;
  /** Points, by millions of MACs. */
  readonly optimum: (megaMacs: number) => number;
  /** Mean regrets of the published search and of its random search, as recorded in the folder. */
  readonly recorded: (megaMacs: number) => { readonly evolution?: number; readonly random?: number };
}

/** The blocks of a stage in that space. */
const SLOTS_PER_STAGE = 4;

/** The file's formula: resolution, depths, blocks, and pairs of neighboring blocks. */
function accuracy({ unit, pair, depth, res }: PublishedObjective, arch: Arch): number {
  const { kernelSizes, expandRatios } = MBV3_W10;
  let sum = res[arch.resolution]!; // the file has every resolution that is searched
  arch.depths.forEach((blocks, stage) => {
    sum += depth[stage]![blocks]!; // and every stage, slot and choice
    let before = -1;
    for (let slot = SLOTS_PER_STAGE * stage; slot < SLOTS_PER_STAGE * stage + blocks; slot++) {
      const kernel = kernelSizes.indexOf(arch.kernelSizes[slot]!);
      const choice = expandRatios.length * kernel + expandRatios.indexOf(arch.expandRatios[slot]!);
      sum += unit[slot]![choice]! + (before < 0 ? 0 : pair[slot]![before]![choice]!);
      before = choice;
    }
  });
  return sum;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The problem S1 of the reference data folder; undefined where that folder is absent. */
export function loadSyntheticProblem(): SyntheticProblem | undefined {
  const path = join(REFERENCE, 'search', 's1_objective.json');
  if (!existsSync(path)) return undefined;
  const published = readJson(path) as PublishedObjective; // told in the folder's README
  const recordedPath = join(REFERENCE, 'search', 'summary.json');
  const recorded = (existsSync(recordedPath) ? readJson(recordedPath) : {}) as Readonly<
    Record<string, PublishedResult | undefined>
  >;
  return {
    space: MBV3_W10,
    resolutions: published.resolutions,
    objective: { score: async (archs) => Float32Array.from(archs, (arch) => accuracy(published, arch)) },
    optimum: (megaMacs) => published.optimum[megaMacs]?.acc ?? Number.NaN,
    recorded: (megaMacs) => {
      const found = recorded[`S1@${megaMacs}`];
      return found === undefined ? {} : { evolution: found.ea_regret_mean, random: found.rs_regret_mean };
    },
  };
}

/** Score and MACs of the problem S1 as terms that add up, for an exact search; undefined where the folder is absent. */
export function loadSyntheticTerms(): Pick<ExactProblem, 'score' | 'cost'> | undefined {
  const path = join(REFERENCE, 'search', 's1_objective.json');
  if (!existsSync(path)) return undefined;
  const { unit, pair, depth, res, macs, resolutions } = readJson(path) as PublishedObjective; // told in the folder's README
  const macsAt = (index: number) => macs[`${resolutions[index]}`]!;
  const score: AdditiveTerms = {
    resolution: (index) => res[`${resolutions[index]}`]!,
    depth: (stage, index) => depth[stage]![MBV3_W10.stages[stage]!.depths[index]!]!,
    unit: (slot, choice) => unit[slot]![choice]!,
    pair: (slot, before, choice) => pair[slot]![before]![choice]!,
  };
  const cost = {
    resolution: (index: number) => macsAt(index).fixed,
    depth: () => 0,
    unit: (slot: number, choice: number, index: number) => macsAt(index).blocks[slot]![choice]!,
  };
  return { score, cost };
}
