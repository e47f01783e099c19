import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Asked } from '../common/asked.js';
import { conformalLowerQuantile, conformalQuantile, highestConfidence } from '../common/conformal.js';
import { BespokeError } from '../common/errors.js';
import { encodeModel } from '../onnx/codec.js';
import type { OnnxModel } from '../onnx/ir.js';
import { type OpenedRows, openRows, type RowModel } from '../runtime/rows.js';
import { startRowSharing } from '../runtime/shared-rows.js';
import type { EncodedObjective, Interval, Objective } from '../search/types.js';
import { encodeArchs, encodingLength } from '../space/encoding.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { type PredictorCard, parseCard } from './card.js';
import { decodePredictor, PREDICTOR_FILES, type PredictorBytes } from './file.js';
import { sampleRows, withoutIdleUnits, withShortcuts } from './lean.js';
import { ensembleMacs, ensembleModel, inputSize, type MlpEnsemble, slopesModel } from './mlp-graph.js';
import { fractionInterval, type PredictorQuality } from './quality.js';

/**
 * Multiply-adds of a row from which on a thread of its own pays, counted without units that never change: the published MobileNetV3 predictor has
 * 370,000, the bundled one 98,000, the published ResNet50 one 22,600.
 */
const LARGE = 200_000;

/** What a predictor computes on. */
export interface PredictorThreads {
  /** Threads inside an operator, 1 unless told. */
  readonly threads?: number;
  /**
   * On a thread of its own beside this one, so that a search goes on while it computes; else all on this one. Unless told, where a row takes so
   * many multiply-adds that it pays. Scores are to the bit the same.
   */
  readonly apart?: boolean;
}

/** Which supernet a predictor must have been made for. */
export interface PredictorTarget {
  readonly space: SearchSpace;
  /** sha256 of the supernet's weights file. */
  readonly weightsSha256: string;
}

/** Predicts the calibrated top-1 of sub-networks of one supernet, without its weights. Holds a session: release it once. */
export interface AccuracyPredictor {
  readonly spaceId: string;
  /** Resolutions that it was trained on, ascending; others are refused. */
  readonly resolutions: readonly number[];
  /** Absent where it was imported: its file does not say. */
  readonly quality?: PredictorQuality;
  /**
   * Predicted top-1 per arch, fractions.
   * @throws BespokeError `arch-out-of-space` for a resolution that the predictor does not know
   */
  score(archs: readonly Arch[]): Promise<Float32Array>;
  /** The predictor as what a search maximizes. */
  asObjective(): Objective;
  /**
   * Where the measured top-1 (on the label images) lies with probability `confidence`, by the residuals of held-out architectures;
   * undefined of an imported predictor, of which none are known.
   * @param score a predicted top-1, fraction
   * @param confidence 0..1, exclusive; as high as the residuals allow (300 of them: 0.996)
   * @throws BespokeError `invalid-request` for a higher one
   */
  interval(score: number, confidence: number): Interval | undefined;
  /**
   * How far the measured top-1 may lie below a score: it is at least `score - shortfall(confidence)` with that probability, by the same
   * residuals. Negative where the predictor mostly guesses too low.
   * @param confidence 0..1, exclusive
   * @throws BespokeError `invalid-request` for one that the residuals do not allow, and of an imported predictor, which has none
   */
  shortfall(confidence: number): number;
  release(): Promise<void>;
}

function checkTarget(card: PredictorCard, target: PredictorTarget, where: string): void {
  const { space, weightsSha256 } = target;
  const refuse = (detail: string): never => {
    throw new BespokeError('bundle-invalid', `the accuracy predictor in "${where}" ${detail}`);
  };
  if (card.spaceId !== space.id) refuse(`is for the space "${card.spaceId}"; the supernet's is "${space.id}"`);
  if (card.imported === undefined && card.weightsSha256 !== weightsSha256) {
    refuse(`was trained for the weights ${card.weightsSha256}; the supernet has ${weightsSha256}`);
  }
  const features = encodingLength(space, card.resolutions);
  if (card.features !== features) refuse(`takes ${card.features} features; an arch of this space has ${features}`);
  const unknown = card.resolutions.filter((resolution) => !space.resolutions.includes(resolution));
  if (unknown.length > 0) refuse(`knows the resolutions ${unknown.join(', ')}, which the space does not have`);
}

/** Refuses archs at a resolution without labels: the encoding's column was never trained. */
function checkResolutions(archs: readonly Arch[], card: PredictorCard): void {
  for (const { resolution } of archs) {
    if (card.resolutions.includes(resolution)) continue;
    const known = card.resolutions.join(', ');
    throw new BespokeError(
      'arch-out-of-space',
      `the accuracy predictor knows no resolution ${resolution}; it was trained on ${known}`,
    );
  }
}

/** A predictor's models. Mutable: the one of slopes is made when it is first asked for. */
interface Models {
  readonly score: OpenedRows;
  readonly slopes: () => Promise<OpenedRows>;
  readonly release: () => Promise<void>;
}

/** @param sample rows such as will come, of which is learned which units rest */
async function openModels(
  imported: MlpEnsemble,
  { threads = 1, apart }: PredictorThreads,
  sample: () => Float32Array,
): Promise<Models> {
  const needed = withoutIdleUnits(imported);
  const isLarge = ensembleMacs(needed) >= LARGE;
  const ensemble = isLarge ? await withShortcuts(needed, sample()) : needed;
  const features = inputSize(ensemble);
  const sharing = (apart ?? isLarge) ? startRowSharing({ input: features, output: features }) : undefined;
  const open = async (built: OnnxModel, output: string, columns: number): Promise<OpenedRows> => {
    const model: RowModel = { bytes: encodeModel(built), input: 'encoding', output, columns };
    const options = { threads, optimization: 'all', memoryPattern: false } as const; // a pattern for each number of rows
    return sharing === undefined ? openRows(model, features, options) : sharing.open(model, options);
  };
  const score = await open(ensembleModel(ensemble), 'top1', 1).catch(async (error: unknown) => {
    await sharing?.close();
    throw error;
  });
  let slopes: Promise<OpenedRows> | undefined;
  return {
    score,
    slopes: () => {
      slopes ??= open(slopesModel(ensemble), 'slopes', features);
      return slopes;
    },
    release: async () => {
      const madeSlopes = slopes?.catch(() => undefined); // what could not be opened holds nothing
      // Each is released, whatever becomes of the other.
      const released = await Promise.allSettled([score.release(), madeSlopes?.then((model) => model?.release())]);
      await sharing?.close();
      for (const each of released) if (each.status === 'rejected') throw each.reason;
    },
  };
}

function askSlopes(models: Models, rows: Float32Array): Asked {
  const asked = models.slopes().then((model) => model.ask(rows));
  asked.catch(() => undefined); // whoever takes it is told; perhaps nobody does
  return { take: async () => (await asked).take() };
}

function tooConfident(count: number, confidence: number): BespokeError {
  return new BespokeError(
    'invalid-request',
    `the predictor has ${count} held-out architectures, which allow a confidence up to ${highestConfidence(count).toFixed(4)}; asked was ${confidence}`,
  );
}

function intervalOf(card: PredictorCard, value: number, confidence: number): Interval | undefined {
  if (card.imported !== undefined) return undefined;
  const half = conformalQuantile(card.absoluteResiduals, confidence);
  if (half === undefined) throw tooConfident(card.absoluteResiduals.length, confidence);
  return fractionInterval(value, half);
}

function shortfallOf(card: PredictorCard, confidence: number): number {
  if (card.imported !== undefined) {
    throw new BespokeError(
      'invalid-request',
      `nothing is known of how far the imported accuracy predictor errs, so no top-1 can be promised with a confidence; asked was ${confidence}`,
    );
  }
  const { residuals, absoluteResiduals } = card;
  if (residuals === undefined) {
    // Sizes alone: a bound on both sides holds on one, only wider than it had to be.
    const half = conformalQuantile(absoluteResiduals, confidence);
    if (half === undefined) throw tooConfident(absoluteResiduals.length, confidence);
    return half;
  }
  const lower = conformalLowerQuantile(residuals, confidence);
  if (lower === undefined) throw tooConfident(residuals.length, confidence);
  return -lower;
}

async function readPart(dir: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(join(dir, name));
  } catch (cause) {
    const detail = `the accuracy predictor in "${dir}" cannot be read: ${cause instanceof Error ? cause.message : cause}`;
    throw new BespokeError('bundle-invalid', detail, {}, cause);
  }
}

async function readPredictor(dir: string): Promise<PredictorBytes> {
  const [card, tensors] = await Promise.all([
    readPart(dir, PREDICTOR_FILES.card),
    readPart(dir, PREDICTOR_FILES.tensors),
  ]);
  return { card, tensors };
}

/** What a predictor says of itself, without its weights. */
export type PredictorFacts = Pick<AccuracyPredictor, 'resolutions' | 'quality'>;

/**
 * Reads a predictor's card alone, and checks that it was made for a supernet.
 * @param dir the folder of `predictor.json`
 * @throws BespokeError `bundle-invalid` if the card is damaged or made for another supernet
 */
export async function readPredictorFacts(dir: string, target: PredictorTarget): Promise<PredictorFacts> {
  const card = parseCard(await readPart(dir, PREDICTOR_FILES.card), dir);
  checkTarget(card, target, dir);
  return { resolutions: card.resolutions, ...(card.imported === undefined ? { quality: card.quality } : {}) };
}

/**
 * Loads an accuracy predictor and binds it to a supernet.
 * @param source the folder of `predictor.json` and `predictor.safetensors`, or their bytes
 * @param target the supernet in use: its space and the sha256 of its weights must be those of the labels
 * @throws BespokeError `bundle-invalid` if the files are damaged or made for another supernet
 */
export async function loadPredictor(
  source: string | PredictorBytes,
  target: PredictorTarget,
  threads: PredictorThreads = {},
): Promise<AccuracyPredictor> {
  const where = typeof source === 'string' ? source : '(bytes)';
  const bytes = typeof source === 'string' ? await readPredictor(source) : source;
  const { card, ensemble } = decodePredictor(bytes, where);
  checkTarget(card, target, where);
  const { resolutions } = card;
  const models = await openModels(ensemble, threads, () => sampleRows(target.space, resolutions));
  const score = async (archs: readonly Arch[]): Promise<Float32Array> => {
    checkResolutions(archs, card);
    return models.score.ask(encodeArchs(target.space, archs, undefined, resolutions)).take();
  };
  const encoded: EncodedObjective = {
    resolutions,
    score: (rows) => models.score.ask(rows),
    slopes: (rows) => askSlopes(models, rows),
  };
  return {
    spaceId: card.spaceId,
    resolutions: card.resolutions,
    ...(card.imported === undefined ? { quality: card.quality } : {}),
    score,
    asObjective: () => ({ score, encoded }),
    interval: (value, confidence) => intervalOf(card, value, confidence),
    shortfall: (confidence) => shortfallOf(card, confidence),
    release: () => models.release(),
  };
}
