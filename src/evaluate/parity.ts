import { invariant } from '../common/invariant.js';
import { nextStep, type Steps } from '../common/work.js';
import { encodeModel } from '../onnx/codec.js';
import { createSession, type ModelSession } from '../runtime/session.js';
import type { LayerSpec } from '../space/types.js';
import { INPUT_NAME, OUTPUT_NAME } from '../supernet/emit-layers.js';
import type { ExportOptions } from '../supernet/export-options.js';
import { maskedSupernetModel } from '../supernet/masked-graph.js';
import type { BatchNormStatistics, Supernet } from '../supernet/types.js';
import type { FloatTensor, Tensor } from '../tensor/tensor.js';
import { imagesBetween } from './calibrate.js';
import { runDelivered } from './run-delivered.js';

/** What is compared: delivered bytes with the supernet they were cut from. */
export interface ParitySubject {
  readonly model: Uint8Array;
  readonly supernet: Supernet;
  /** `lower(space, arch)` of the delivered architecture. */
  readonly layers: readonly LayerSpec[];
  /** The statistics that were folded into the model. */
  readonly statistics: BatchNormStatistics;
  /** How the model was written; plainly unless told. */
  readonly exported?: {
    readonly options: ExportOptions;
    /** The images as the model takes them, which normalizes them itself. */
    readonly images: FloatTensor;
  };
}

export interface ParityOptions extends Steps {
  readonly threads: number;
  /** Images per run; 50 unless told, as the masked network has the supernet's full width. */
  readonly batch?: number;
}

export interface Parity {
  /** max |difference of logits|, or of probabilities where the model gives those. */
  readonly maxAbsError: number;
  /** max |logit| (probability) of the supernet. */
  readonly maxAbsLogit: number;
  /** maxAbsError / maxAbsLogit; infinite if any logit is not a number. */
  readonly relative: number;
  readonly images: number;
}

const DEFAULT_BATCH = 50;

async function logitsOf(session: ModelSession, images: FloatTensor): Promise<Tensor['data']> {
  const { [OUTPUT_NAME]: logits } = await session.run({ [INPUT_NAME]: images });
  invariant(logits !== undefined, () => `the model has no output "${OUTPUT_NAME}"`);
  return logits.data;
}

/** Softmax of every row of `classes` logits, in float64. */
function softmax(logits: Tensor['data'], classes: number): Float64Array {
  const out = Float64Array.from(logits, Number);
  for (let from = 0; from < out.length; from += classes) {
    const row = out.subarray(from, from + classes);
    const largest = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += row[c] = Math.exp(row[c]! - largest);
    for (let c = 0; c < classes; c++) row[c]! /= sum;
  }
  return out;
}

interface Extremes {
  error: number;
  logit: number;
}

function widen(extremes: Extremes, delivered: Float32Array, expected: Tensor['data'] | Float64Array): void {
  invariant(delivered.length === expected.length, () => `${delivered.length} logits against ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(Number(delivered[i]) - Number(expected[i]));
    extremes.error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(extremes.error, difference);
    extremes.logit = Math.max(extremes.logit, Math.abs(Number(expected[i])));
  }
}

/**
 * Compares a delivered model with the supernet's own masked forward pass, which is computed another way (see `maskedSupernetModel`).
 * @param images prepared input float32 `[N, C, H, W]` of the arch's resolution
 * @param options `signal` and `pause` are asked between batches
 * @throws the signal's reason
 */
export async function measureParity(
  subject: ParitySubject,
  images: FloatTensor,
  options: ParityOptions,
): Promise<Parity> {
  const { model, supernet, layers, statistics, exported } = subject;
  const { threads, batch = DEFAULT_BATCH } = options;
  const [count = 0] = images.dims;
  await nextStep(options);
  const masked = encodeModel(maskedSupernetModel(supernet, layers, statistics));
  const sessions: ModelSession[] = [];
  const extremes: Extremes = { error: 0, logit: 0 };
  try {
    await nextStep(options);
    const delivered = await createSession(model, { threads, optimization: 'all' });
    sessions.push(delivered);
    await nextStep(options);
    const reference = await createSession(masked, { threads, optimization: 'disabled' });
    sessions.push(reference);
    for (let from = 0; from < count; from += batch) {
      await nextStep(options);
      const some = imagesBetween(images, from, Math.min(from + batch, count));
      const taken = exported === undefined ? some : imagesBetween(exported.images, from, Math.min(from + batch, count));
      const outputs = await runDelivered(delivered, taken, exported?.options.batch);
      const logits = await logitsOf(reference, some);
      widen(extremes, outputs, exported?.options.softmax ? softmax(logits, supernet.space.classes) : logits);
    }
  } finally {
    for (const session of sessions) await session.release();
  }
  const relative = Number.isFinite(extremes.error) ? extremes.error / (extremes.logit || 1) : Number.POSITIVE_INFINITY;
  return { maxAbsError: extremes.error, maxAbsLogit: extremes.logit, relative, images: count };
}
