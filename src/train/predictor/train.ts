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
import { expectedTop1 } from './expected-top1.js';
import type { LabelFile, LabelRow } from './label-file.js';
import { DEFAULT_MLP_OPTIONS, type MlpOptions, trainMlp } from './mlp.js';

export interface TrainPredictorOptions extends WorkOptions {
  /** Splits the labels, starts the weights. */
  readonly seed: number;
  readonly mlp?: Partial<MlpOptions>;
  /** What it learns: top-1 as expected on other images ({@link expectedTop1}; the default), or as measured on the label images. */
  readonly targets?: 'expected' | 'measured';
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

/** Top-1 that an ensemble predicts, one per row. @param inputs encodings, row-major `[rows, features]` */
export async function predictTop1(
  ensemble: MlpEnsemble,
  inputs: Float32Array,
  features: number,
): Promise<Float32Array> {
  const session = await createSession(encodeModel(ensembleModel(ensemble)), { threads: 1, optimization: 'all' });
  try {
    const { top1 } = await session.run({ encoding: floats([inputs.length / features, features], inputs) });
    return top1?.data as Float32Array; // the model, built here, has the float32 output `top1`
  } finally {
    await session.release();
  }
}

/** Encodings of labeled architectures, row-major. @param resolutions the predictor's list, pixels */
export const encodeRows = (
  space: SearchSpace,
  rows: readonly LabelRow[],
  resolutions: readonly number[],
): Float32Array =>
  encodeArchs(
    space,
    rows.map(({ arch }) => arch),
    undefined,
    resolutions,
  );

/** The ensemble alone, of all labels given. @param resolutions the predictor's list, pixels; with that of every label */
export async function trainEnsemble(
  space: SearchSpace,
  rows: readonly LabelRow[],
  resolutions: readonly number[],
  options: TrainPredictorOptions,
): Promise<MlpEnsemble> {
  const inputs = encodeRows(space, rows, resolutions);
  const targets =
    options.targets === 'measured' ? Float64Array.from(rows, ({ top1 }) => top1) : expectedTop1(rows, inputs);
  const mlp = { ...DEFAULT_MLP_OPTIONS, seed: options.seed, ...options.mlp };
  return trainMlp({ inputs, targets, features: encodingLength(space, resolutions) }, mlp, options);
}

/**
 * Trains an accuracy predictor on labels and states its quality on architectures that it has not seen.
 * The held-out ones are never trained on, not even in the end: they give the intervals, and are told by top-1 as measured.
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
  const ensemble = await trainEnsemble(space, train, resolutions, options);
  const predicted = await predictTop1(ensemble, encodeRows(space, held, resolutions), features);
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
