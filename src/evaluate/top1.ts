import { BespokeError } from '../common/errors.js';
import { invariant } from '../common/invariant.js';
import { nextStep, type Steps } from '../common/work.js';
import { prepareImages } from '../data/prepare-images.js';
import { decodeModel } from '../onnx/codec.js';
import { createSession, type ModelSession } from '../runtime/session.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';
import type { FloatTensor } from '../tensor/tensor.js';
import { imagesBetween } from './calibrate.js';
import { runDelivered } from './run-delivered.js';
import type { MeasuredTop1 } from './types.js';

/** How a delivered model takes images, as its metadata says. */
export interface ModelInput extends InputSpec {
  /** Input side, pixels. */
  readonly resolution: number;
}

export interface Top1Options extends Steps {
  readonly threads: number;
  /** Images per run; 20 unless told, or what fills so many and whole runs of a model of a fixed batch. */
  readonly batch?: number;
}

/**
 * As few as keep the activations of small maps in the cache, and the first run's fresh memory small: 2,000 images of a network of 12 M MACs take
 * 1.17 s in runs of 100, and one run 0.22 s, in which nothing else on this thread goes on; in runs of 20 they take 0.8 s, none above 0.02 s.
 */
const DEFAULT_BATCH = 20;

/** About the default, in whole runs: a run that is not full computes as much as one that is. @param fixedBatch images of each run, if any number may not be */
const filledBatch = (fixedBatch = 1): number => fixedBatch * Math.ceil(DEFAULT_BATCH / fixedBatch);

const isNumbers = (value: unknown, length: number): boolean =>
  Array.isArray(value) && value.length === length && value.every((item) => Number.isFinite(item));

function isModelInput(value: unknown): value is ModelInput {
  if (typeof value !== 'object' || value === null) return false;
  const field = (name: keyof ModelInput): unknown => Reflect.get(value, name);
  const channels = Number(field('channels'));
  return (
    (channels === 1 || channels === 3) &&
    Number.isInteger(field('resolution')) &&
    isNumbers(field('range'), 2) &&
    isNumbers(field('mean'), channels) &&
    isNumbers(field('std'), channels) &&
    Number(field('cropFraction')) > 0 &&
    Number(field('cropFraction')) <= 1
  );
}

/**
 * Reads how a delivered model takes images from its metadata `bespoke.input`.
 * @throws BespokeError `invalid-request` if the model does not say, or not in a form that is read here
 */
export function readModelInput(metadata: Readonly<Record<string, string>>): ModelInput {
  const text = metadata['bespoke.input'];
  let value: unknown;
  try {
    value = text === undefined ? undefined : JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isModelInput(value)) return value;
  throw new BespokeError(
    'invalid-request',
    `the model's metadata "bespoke.input" must state its resolution, channels, range, mean, std and cropFraction; it is ${text ?? 'missing'}`,
  );
}

/** Index of the largest of `classes` logits from `offset`; the first of equal ones. NaN is never the largest. */
function argMax(logits: Float32Array, offset: number, classes: number): number {
  let best = -1;
  let bestValue = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) {
    const value = logits[offset + c]!;
    if (value > bestValue) {
      best = c;
      bestValue = value;
    }
  }
  return best;
}

/** How prepared images are run. */
export type GuessOptions = Pick<Top1Options, 'batch' | keyof Steps> & {
  /** Images per run that the model is fixed to; undefined: any. */
  readonly fixedBatch?: number | undefined;
};

/** Runs prepared images through a network, some at a time, and shows the logits of each image: `classes` numbers from `offset`. */
async function forEachImage(
  session: ModelSession,
  images: FloatTensor,
  options: GuessOptions,
  show: (image: number, logits: Float32Array, offset: number, classes: number) => void,
): Promise<void> {
  const [count = 0] = images.dims;
  const batch = options.batch ?? DEFAULT_BATCH;
  for (let from = 0; from < count; from += batch) {
    await nextStep(options);
    const to = Math.min(from + batch, count);
    const logits = await runDelivered(session, imagesBetween(images, from, to), options.fixedBatch);
    const classes = logits.length / (to - from);
    for (let i = from; i < to; i++) show(i, logits, (i - from) * classes, classes);
  }
}

/**
 * Classifies prepared images and compares with their labels.
 * @param images float32 `[N, C, H, W]`
 * @param labels class of each image
 * @returns per image 1 if the first guess is right, else 0
 */
export async function correctGuesses(
  session: ModelSession,
  images: FloatTensor,
  labels: ArrayLike<number>,
  options: GuessOptions = {},
): Promise<Uint8Array> {
  const correct = new Uint8Array(images.dims[0] ?? 0);
  await forEachImage(session, images, options, (i, logits, offset, classes) => {
    correct[i] = argMax(logits, offset, classes) === labels[i] ? 1 : 0;
  });
  return correct;
}

/**
 * By how much the label's class leads on each prepared image: its logit minus the highest of the others. Above 0 the guess is right; where the two are
 * equal it is 0, and the first of them is what {@link correctGuesses} takes.
 * @param session of a network whose output is logits
 * @param images float32 `[N, C, H, W]`
 * @param labels class of each image, of those that the network knows
 * @returns per image; NaN where the logits are not numbers
 */
export async function labelLeads(
  session: ModelSession,
  images: FloatTensor,
  labels: ArrayLike<number>,
  options: GuessOptions = {},
): Promise<Float64Array> {
  const leads = new Float64Array(images.dims[0] ?? 0);
  await forEachImage(session, images, options, (i, logits, offset, classes) => {
    const label = labels[i]!;
    invariant(label < classes, () => `image ${i} is of class ${label}; the network knows ${classes}`);
    let rival = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) if (c !== label) rival = Math.max(rival, logits[offset + c]!);
    leads[i] = logits[offset + label]! - rival;
  });
  return leads;
}

/**
 * Measures the top-1 of a delivered model: images are prepared as its metadata says, in batches.
 * @param model encoded ONNX with `bespoke.input` in its metadata
 * @param images labeled images, at least one
 * @throws BespokeError `invalid-request` if there are no labels, or the model does not state its input
 */
export async function measureTop1(model: Uint8Array, images: ImageSet, options: Top1Options): Promise<MeasuredTop1> {
  const { labels, count } = images;
  if (labels === undefined || count === 0) {
    throw new BespokeError('invalid-request', `top-1 needs labeled images; given were ${count} without labels`);
  }
  const { metadata, graph } = decodeModel(model);
  const input = readModelInput(metadata);
  const [batchDim] = graph.inputs[0]?.dims ?? [];
  const fixedBatch = typeof batchDim === 'number' && batchDim > 0 ? batchDim : undefined;
  await nextStep(options);
  // Without a planned block, which would be fresh memory at the second run.
  const session = await createSession(model, { threads: options.threads, optimization: 'all', memoryPattern: false });
  try {
    const batch = options.batch ?? filledBatch(fixedBatch);
    let right = 0;
    for (let from = 0; from < count; from += batch) {
      const indices = Uint32Array.from({ length: Math.min(batch, count - from) }, (_, i) => from + i);
      const prepared = prepareImages(images, indices, input, input.resolution);
      const correct = await correctGuesses(session, prepared, labels.subarray(from), { ...options, batch, fixedBatch });
      right += correct.reduce((sum, one) => sum + one, 0);
    }
    return { top1: right / count, images: count };
  } finally {
    await session.release();
  }
}
