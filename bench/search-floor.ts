import { join } from 'node:path';
import { convertPredictor } from '../src/cli/checkpoint-file.js';
import { makeRng } from '../src/common/rng.js';
import { encodeModel } from '../src/onnx/codec.js';
import { decodePredictor, type PredictorBytes } from '../src/predictors/file.js';
import { ensembleMacs, ensembleModel } from '../src/predictors/mlp-graph.js';
import { createSession, type ModelSession } from '../src/runtime/session.js';
import { encodeArchs } from '../src/space/encoding.js';
import { PUBLISHED_SPACES } from '../src/space/published.js';
import { sampleArch } from '../src/space/sample.js';
import { floats } from '../src/tensor/tensor.js';
import { MBV3_W12 } from '../test/unit/space/published-spaces.js';
import { REFERENCE } from './published-objective.js';

/** The predictor alone, on rows that are encoded already. */
export interface Floor {
  readonly rows: number;
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

/** The official accuracy predictor of the reference data as two files of ours. */
export async function officialPredictor(): Promise<PredictorBytes> {
  const path = join(REFERENCE, 'official', 'acc_predictor.pth');
  return (await convertPredictor(path, MBV3_W12, { others: PUBLISHED_SPACES })).bytes;
}

async function timeRows(session: ModelSession, rows: Float32Array, features: number, batch: number): Promise<number> {
  const start = performance.now();
  for (let at = 0; at < rows.length; at += batch * features) {
    const part = rows.subarray(at, Math.min(rows.length, at + batch * features));
    await session.run({ encoding: floats([part.length / features, features], part) });
  }
  return (performance.now() - start) / 1000;
}

/** Times the official predictor's session on so many random rows. @param repeats of each batch size, in turns; the fastest counts */
export async function measureFloor(count: number, threads: number, repeats: number): Promise<Floor> {
  const { card, ensemble } = decodePredictor(await officialPredictor(), 'the official predictor');
  const rng = makeRng(1);
  const archs = Array.from({ length: count }, () =>
    sampleArch(MBV3_W12, rng, { resolutions: [160, 176, 192, 208, 224] }),
  );
  const rows = encodeArchs(MBV3_W12, archs, undefined, card.resolutions);
  const session = await createSession(encodeModel(ensembleModel(ensemble)), { threads, optimization: 'all' });
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
  const macsPerRow = ensembleMacs(ensemble);
  const macsPerSecond = (count * macsPerRow) / seconds[bestBatch]!;
  return { rows: count, macsPerRow, seconds, bestBatch, macsPerSecond, floorSeconds: seconds[bestBatch]! };
}
