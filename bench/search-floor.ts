import { join } from 'node:path';
import { convertPredictor } from '../src/cli/checkpoint-file.js';
import { makeRng } from '../src/common/rng.js';
import { encodeModel } from '../src/onnx/codec.js';
import { decodePredictor, type PredictorBytes } from '../src/predictors/file.js';
import { sampleRows, withoutIdleUnits, withShortcuts } from '../src/predictors/lean.js';
import { ensembleMacs, ensembleModel, shortestMacs } from '../src/predictors/mlp-graph.js';
import { createSession, type ModelSession } from '../src/runtime/session.js';
import { encodeArchs } from '../src/space/encoding.js';
import { PUBLISHED_SPACES } from '../src/space/published.js';
import { sampleArch } from '../src/space/sample.js';
import { floats } from '../src/tensor/tensor.js';
import { MBV3_W10, MBV3_W12 } from '../test/unit/space/published-spaces.js';
import { REFERENCE } from './published-objective.js';

/** A predictor alone, as a search has it, on rows that are encoded already. */
export interface Floor {
  /** Of the problems that it is asked about. */
  readonly problems: string;
  readonly rows: number;
  /** Of the predictor as published, and of a row for which its shortcut holds. */
  readonly publishedMacs: number;
  readonly macsPerRow: number;
  /** Best of several, seconds for all rows, by rows per call. */
  readonly seconds: Readonly<Record<number, number>>;
  readonly bestBatch: number;
  /** Multiply-adds per second at the best batch. */
  readonly macsPerSecond: number;
  /** Seconds that the rows' multiply-adds take at that rate: no search that scores as many is faster with this session. */
  readonly floorSeconds: number;
}

const BATCHES = [256, 512, 1024, 2048, 4096] as const;

/** The predictors of the reference data, by the problems' names. */
const PREDICTORS = {
  S2: { file: ['search', 's2_predictor.pth'], space: MBV3_W10 },
  Note10: { file: ['official', 'acc_predictor.pth'], space: MBV3_W12 },
} as const;

async function predictorOf(problems: keyof typeof PREDICTORS): Promise<PredictorBytes> {
  const { file, space } = PREDICTORS[problems];
  return (await convertPredictor(join(REFERENCE, ...file), space, { others: PUBLISHED_SPACES })).bytes;
}

/** The official accuracy predictor of the reference data as two files of ours. */
export const officialPredictor = (): Promise<PredictorBytes> => predictorOf('Note10');

async function timeRows(session: ModelSession, rows: Float32Array, features: number, batch: number): Promise<number> {
  const start = performance.now();
  for (let at = 0; at < rows.length; at += batch * features) {
    const part = rows.subarray(at, Math.min(rows.length, at + batch * features));
    await session.run({ encoding: floats([part.length / features, features], part) });
  }
  return (performance.now() - start) / 1000;
}

/** How a predictor's session is timed. */
export interface FloorEffort {
  /** Random rows. */
  readonly count: number;
  readonly threads: number;
  /** Of each batch size, in turns; the fastest counts. */
  readonly repeats: number;
}

async function floorOf(problems: keyof typeof PREDICTORS, { count, threads, repeats }: FloorEffort): Promise<Floor> {
  const { space } = PREDICTORS[problems];
  const { card, ensemble } = decodePredictor(await predictorOf(problems), `the predictor of ${problems}`);
  const rng = makeRng(1);
  const archs = Array.from({ length: count }, () => sampleArch(space, rng, { resolutions: [160, 176, 192, 208, 224] }));
  const rows = encodeArchs(space, archs, undefined, card.resolutions);
  const lean = await withShortcuts(withoutIdleUnits(ensemble), sampleRows(space, card.resolutions));
  const session = await createSession(encodeModel(ensembleModel(lean)), { threads, optimization: 'all' });
  const seconds: Record<number, number> = {};
  try {
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const batch of BATCHES) {
        const taken = await timeRows(session, rows, card.features, batch);
        seconds[batch] = Math.min(taken, seconds[batch] ?? Number.POSITIVE_INFINITY);
      }
    }
  } finally {
    await session.release();
  }
  const bestBatch = BATCHES.reduce((best, batch) => (seconds[batch]! < seconds[best]! ? batch : best));
  const [publishedMacs, macsPerRow] = [ensembleMacs(ensemble), shortestMacs(lean)];
  const macsPerSecond = (count * macsPerRow) / seconds[bestBatch]!;
  const floorSeconds = seconds[bestBatch]!;
  return { problems, rows: count, publishedMacs, macsPerRow, seconds, bestBatch, macsPerSecond, floorSeconds };
}

/** Times the predictors that some problems have. */
export async function measureFloors(
  asked: readonly { readonly name: string }[],
  effort: FloorEffort,
): Promise<readonly Floor[]> {
  const floors: Floor[] = [];
  for (const problems of Object.keys(PREDICTORS) as (keyof typeof PREDICTORS)[]) {
    if (asked.some(({ name }) => name.startsWith(problems))) floors.push(await floorOf(problems, effort));
  }
  return floors;
}
