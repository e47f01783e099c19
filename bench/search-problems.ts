import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertPredictor } from '../src/cli/checkpoint-file.js';
import { loadPredictor } from '../src/predictors/predictor.js';
import type { CandidateFigures } from '../src/search/result.js';
import { type CostTable, makeCostTable } from '../src/space/cost-table.js';
import { PUBLISHED_SPACES } from '../src/space/published.js';
import type { Arch } from '../src/space/types.js';
import { MBV3_W10, MBV3_W12 } from '../test/unit/space/published-spaces.js';
import type { PlainProblem } from './published-evolution.js';
import { loadSyntheticProblem, REFERENCE } from './published-objective.js';
import { readNote10 } from './search-note10.js';

/** What the published search was measured with, on the same kind of machine, with one thread. */
export interface RecordedSearch {
  /** Mean below the reference value, points. */
  readonly regret: number;
  readonly seconds: number;
}

/** A problem of the reference data: an objective, a limit, what is known of its optimum. */
export interface ReferenceProblem extends PlainProblem {
  readonly name: string;
  /** Points per unit of the objective. */
  readonly scale: number;
  /** Score to compare with, points. */
  readonly reference: number;
  readonly isExact: boolean;
  readonly recorded: RecordedSearch;
  readonly describe: (archs: readonly Arch[]) => CandidateFigures[];
}

export interface ReferenceProblems {
  readonly problems: readonly ReferenceProblem[];
  release(): Promise<void>;
}

/** Resolutions of all eight problems. */
const RESOLUTIONS = [160, 176, 192, 208, 224] as const;

interface Summary {
  readonly reference_value: number;
  readonly ea_regret_mean: number;
  readonly ea_seconds_median: number;
}

interface Note10Result {
  readonly capMs: number;
  readonly mean: number;
  readonly seconds: number;
  readonly bestKnown: number;
}

const readJson = (...path: string[]): unknown => JSON.parse(readFileSync(join(REFERENCE, ...path), 'utf8'));

function figuresBy(costs: CostTable, latency?: (archs: readonly Arch[]) => Float64Array) {
  return (archs: readonly Arch[]): CandidateFigures[] => {
    const ms = latency?.(archs);
    return costs
      .all(archs)
      .map((row, i) => (ms === undefined ? row : { ...row, predictedLatencyMs: ms[i] ?? Number.NaN }));
  };
}

const SUMMARY_OF = (name: string): Summary =>
  (readJson('search', 'summary.json') as Record<string, Summary>)[name] as Summary;

function synthetic(): ReferenceProblem[] {
  const found = loadSyntheticProblem();
  if (found === undefined) return [];
  const costs = makeCostTable(MBV3_W10);
  return [200, 300, 400].map((megaMacs) => {
    const { ea_regret_mean: regret, ea_seconds_median: seconds } = SUMMARY_OF(`S1@${megaMacs}`);
    return {
      name: `S1 at ${megaMacs} M MACs`,
      space: MBV3_W10,
      objective: found.objective,
      resolutions: RESOLUTIONS,
      constraint: { id: 'maxMacs', max: megaMacs * 1e6, cost: (archs) => costs.macs(archs) },
      scale: 1,
      reference: found.optimum(megaMacs),
      isExact: true,
      recorded: { regret, seconds },
      describe: figuresBy(costs),
    };
  });
}

async function openPredictor(file: readonly string[], space: typeof MBV3_W10, threads: number) {
  const { bytes } = await convertPredictor(join(REFERENCE, ...file), space, { others: PUBLISHED_SPACES });
  return loadPredictor(bytes, { space, weightsSha256: '' }, { threads });
}

/** The eight problems of the reference data folder; none where it is absent. @param threads of the predictors */
export async function openReferenceProblems(threads: number): Promise<ReferenceProblems | undefined> {
  if (!existsSync(join(REFERENCE, 'official', 'ea-note10.json'))) return undefined;
  const s2 = await openPredictor(['search', 's2_predictor.pth'], MBV3_W10, threads);
  const official = await openPredictor(['official', 'acc_predictor.pth'], MBV3_W12, threads);
  const macs10 = makeCostTable(MBV3_W10);
  const latency = readNote10(MBV3_W12, join(REFERENCE, 'official', 'note10'));
  const mlp = [200, 300].map((megaMacs): ReferenceProblem => {
    const recorded = SUMMARY_OF(`S2@${megaMacs}`);
    return {
      name: `S2 at ${megaMacs} M MACs`,
      space: MBV3_W10,
      objective: s2.asObjective(),
      resolutions: RESOLUTIONS,
      constraint: { id: 'maxMacs', max: megaMacs * 1e6, cost: (archs) => macs10.macs(archs) },
      scale: 100,
      reference: recorded.reference_value,
      isExact: false,
      recorded: { regret: recorded.ea_regret_mean, seconds: recorded.ea_seconds_median },
      describe: figuresBy(macs10),
    };
  });
  const { results } = readJson('official', 'ea-note10.json') as { readonly results: readonly Note10Result[] };
  const note10 = results.map(
    ({ capMs, mean, seconds, bestKnown }): ReferenceProblem => ({
      name: `Note10 at ${capMs} ms`,
      space: MBV3_W12,
      objective: official.asObjective(),
      resolutions: RESOLUTIONS,
      constraint: { id: 'maxLatencyMs', max: capMs, cost: latency },
      scale: 100,
      reference: 100 * bestKnown,
      isExact: false,
      recorded: { regret: 100 * (bestKnown - mean), seconds },
      describe: figuresBy(makeCostTable(MBV3_W12), latency),
    }),
  );
  return {
    problems: [...synthetic(), ...mlp, ...note10],
    release: async () => {
      await s2.release();
      await official.release();
    },
  };
}
