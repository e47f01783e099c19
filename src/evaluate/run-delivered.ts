import { BespokeError } from '../common/errors.js';
import type { ModelSession } from '../runtime/session.js';
import { INPUT_NAME, OUTPUT_NAME, PROBABILITIES_NAME } from '../supernet/emit-layers.js';
import { type FloatTensor, floats } from '../tensor/tensor.js';
import { imagesBetween } from './calibrate.js';

/** A delivered model's logits, or its probabilities where softmax is in the graph. */
async function runOnce(session: ModelSession, images: FloatTensor): Promise<Float32Array> {
  const { [OUTPUT_NAME]: logits, [PROBABILITIES_NAME]: probabilities } = await session.run({ [INPUT_NAME]: images });
  const output = logits ?? probabilities;
  if (output?.data instanceof Float32Array) return output.data;
  throw new BespokeError(
    'invalid-request',
    `the model has no float32 output "${OUTPUT_NAME}" or "${PROBABILITIES_NAME}"`,
  );
}

/** `count` images, what lies beyond the last one filled with it. */
function filledUp(images: FloatTensor, count: number): FloatTensor {
  const [given = 0, ...rest] = images.dims;
  if (given === count) return images;
  const perImage = images.data.length / given;
  const data = new Float32Array(count * perImage);
  data.set(images.data);
  const last = images.data.subarray((given - 1) * perImage);
  for (let i = given; i < count; i++) data.set(last, i * perImage);
  return floats([count, ...rest], data);
}

/**
 * Runs a delivered model on any number of images, also one that takes a fixed number per run: a run that is not full repeats its last image,
 * and those outputs are dropped.
 * @param images float32 `[N, C, H, W]` as the model takes them, N at least 1
 * @param batch images per run that the model is fixed to; undefined: any, and all go in one run
 * @returns outputs `[N, classes]`, row by row
 * @throws BespokeError `invalid-request` if the model has no such output
 */
export async function runDelivered(
  session: ModelSession,
  images: FloatTensor,
  batch: number | undefined,
): Promise<Float32Array> {
  if (batch === undefined) return runOnce(session, images);
  const [count = 0] = images.dims;
  const parts: Float32Array[] = [];
  for (let from = 0; from < count; from += batch) {
    const to = Math.min(from + batch, count);
    const output = await runOnce(session, filledUp(imagesBetween(images, from, to), batch));
    parts.push(output.subarray(0, (output.length / batch) * (to - from)));
  }
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
