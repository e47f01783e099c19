import { absoluteAscending } from '../../common/conformal.js';
import { BespokeError } from '../../common/errors.js';
import { makeRng, shuffled } from '../../common/rng.js';
import type { WorkOptions } from '../../common/work.js';
import { encodeModel } from '../../onnx/codec.js';
import { encodePredictor, type PredictorBytes } from '../../predictors/file.js';
import { ensembleModel, type MlpEnsemble } from '../../predictors/mlp-graph.js';
import { type PredictorQuality, predictorQuality } from '../../predictors/quality.js';
import { createSession } from '../../runtime/session.js';
import { encodeArchs, encodingLength } from '../../space/encoding.js';
import type { SearchSpace } from '../../space/types.js';
import { floats } from '../../tensor/tensor.js';
import type { LabelFile, LabelRow } from './label-file.js';
import { DEFAULT_MLP_OPTIONS, type MlpOptions, trainMlp } from './mlp.js';

export interface TrainPredictorOptions extends WorkOptions {
  /** Splits the labels, starts the weights. */
  readonly seed: number;
  readonly mlp?: Partial<MlpOptions>;
}

export interface TrainedPredictor {
  readonly bytes: PredictorBytes;
  readonly quality: PredictorQuality;
  readonly trainedOn: number;
}

/** Held out: 15 % of the labels and 300 at least, but never more than half. */
function heldOutCount(labels: number): number {
  return Math.min(labels >> 1, Math.max(300, Math.round(0.15 * labels)));
}

async function predict(ensemble: MlpEnsemble, inputs: Float32Array, features: number): Promise<Float32Array> {
  const session = await createSession(encodeModel(ensembleModel(ensemble)), { threads: 1, optimization: 'all' });
  try {
    const { top1 } = await session.run({ encoding: floats([inputs.length / features, features], inputs) });
    return top1?.data as Float32Array; // the model, built here, has the float32 output `top1`
  } finally {
    await session.release();
  }
}

/**
 * Trains an accuracy predictor on labels and states its quality on architectures that it has not seen.
 * The held-out ones are never trained on, not even in the end: they give the intervals.
 * @throws BespokeError `invalid-request` if the labels are of another space or fewer than 20
 */
export async function trainPredictor(
  space: SearchSpace,
  labels: LabelFile,
  options: TrainPredictorOptions,
): Promise<TrainedPredictor> {
  const { header } = labels;
  if (header.spaceId !== space.id || labels.rows.length < 20) {
    throw new BespokeError(
      'invalid-request',
      `a predictor for "${space.id}" needs 20 or more labels of that space; given are ${labels.rows.length} of "${header.spaceId}"`,
    );
  }
  const rows = shuffled(labels.rows, makeRng(options.seed).fork('held out'));
  const held = rows.slice(0, heldOutCount(rows.length));
  const train = rows.slice(held.length);
  const seen = new Set(train.map(({ arch }) => arch.resolution));
  const resolutions = space.resolutions.filter((resolution) => seen.has(resolution));
  const features = encodingLength(space, resolutions);
  const encode = (list: readonly LabelRow[]): Float32Array =>
    encodeArchs(
      space,
      list.map(({ arch }) => arch),
      undefined,
      resolutions,
    );
  const data = { inputs: encode(train), targets: Float64Array.from(train, ({ top1 }) => top1), features };
  const mlp = { ...DEFAULT_MLP_OPTIONS, seed: options.seed, ...options.mlp };
  const ensemble = await trainMlp(data, mlp, options);
  const predicted = await predict(ensemble, encode(held), features);
  const quality = predictorQuality(predicted, {
    top1: held.map(({ top1 }) => top1),
    halves: [held.map(({ halves }) => halves[0]), held.map(({ halves }) => halves[1])],
  });
  const residuals = held.map(({ top1 }, i) => top1 - predicted[i]!).sort((a, b) => a - b);
  const bytes = encodePredictor(ensemble, {
    spaceId: space.id,
    weightsSha256: header.weightsSha256,
    resolutions,
    trainedOn: train.length,
    labelImages: header.images,
    seed: options.seed,
    quality,
    absoluteResiduals: [...absoluteAscending(residuals)],
    residuals,
  });
  return { bytes, quality, trainedOn: train.length };
}
