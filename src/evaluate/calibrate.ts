import { invariant } from '../common/invariant.js';
import { nextStep, type Steps } from '../common/work.js';
import { prepareImages } from '../data/prepare-images.js';
import { encodeModel } from '../onnx/codec.js';
import { createSession } from '../runtime/session.js';
import { calibrationModel, type StatisticsOutputs } from '../supernet/calibration-graph.js';
import { INPUT_NAME } from '../supernet/emit-layers.js';
import type { BatchNormStatistics, Subnet } from '../supernet/types.js';
import type { ImageSet, InputSpec } from '../tensor/image-set.js';
import { type FloatTensor, floats, type Tensor } from '../tensor/tensor.js';

/** Images that batch-normalisation statistics are taken from, unless told; the published default. */
const CALIBRATION_IMAGES = 2000;

export interface CalibrationOptions extends Steps {
  /** Images per batch; each batch is normalised with its own statistics. 200 in the published code. */
  readonly batch: number;
  readonly threads: number;
}

/**
 * The network's input of the first images of a set.
 * @param count images, at most the set's; {@link CALIBRATION_IMAGES} or all unless told
 * @returns float32 `[count, C, resolution, resolution]`
 */
export function calibrationInput(
  set: ImageSet,
  input: InputSpec,
  resolution: number,
  count = Math.min(CALIBRATION_IMAGES, set.count),
): FloatTensor {
  return prepareImages(
    set,
    Uint32Array.from({ length: count }, (_, i) => i),
    input,
    resolution,
  );
}

/** Images `from`..`to-1` of a batch, without a copy. */
export function imagesBetween(images: FloatTensor, from: number, to: number): FloatTensor {
  const [, ...rest] = images.dims;
  const perImage = images.data.length / (images.dims[0] ?? 1);
  return floats([to - from, ...rest], images.data.subarray(from * perImage, to * perImage));
}

/** Prepared input that is made a batch at a time: a few hundred images of ImageNet's size would be hundreds of MB at once. */
export interface ImageBatches {
  readonly count: number;
  /** Images `from`..`to-1`, float32 `[to - from, C, H, W]`. */
  between(from: number, to: number): FloatTensor;
}

const inBatches = (images: FloatTensor): ImageBatches => ({
  count: images.dims[0] ?? 0,
  between: (from, to) => imagesBetween(images, from, to),
});

/** Sums of a layer's batch statistics, weighted by batch size; float64. */
interface Sums {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

function addWeighted(sums: Float64Array, values: Tensor['data'], weight: number): void {
  for (let c = 0; c < sums.length; c++) sums[c]! += weight * Number(values[c]);
}

function averages(
  outputs: readonly StatisticsOutputs[],
  sums: ReadonlyMap<string, Sums>,
  count: number,
): BatchNormStatistics {
  return new Map(
    outputs.map(({ layer }) => {
      const { mean, variance } = sums.get(layer)!; // one entry per output by construction
      return [
        layer,
        {
          mean: Float32Array.from(mean, (sum) => sum / count),
          variance: Float32Array.from(variance, (sum) => sum / count),
        },
      ];
    }),
  );
}

/**
 * Computes the batch-normalisation statistics of a sub-network: batches go through in order, each normalised with its own mean and biased
 * variance, and these are averaged with the batch sizes as weights. The same arguments give the same numbers on one machine.
 * @param images prepared input float32 `[N, C, H, W]` of the arch's resolution, N >= 1, whole or made by the batch
 * @param options `signal` and `pause` are asked between batches
 * @throws the signal's reason
 * Source: OFA `set_running_statistics`
 */
export async function calibrateBatchNorm(
  subnet: Subnet,
  images: FloatTensor | ImageBatches,
  options: CalibrationOptions,
): Promise<BatchNormStatistics> {
  const { count, between } = 'dims' in images ? inBatches(images) : images;
  invariant(count >= 1 && options.batch >= 1, () => `calibration of ${count} images in batches of ${options.batch}`);
  const { onnx, outputs } = calibrationModel(subnet);
  const sums = new Map<string, Sums>(
    subnet.layers.map(({ name, outChannels }) => [
      name,
      { mean: new Float64Array(outChannels), variance: new Float64Array(outChannels) },
    ]),
  );
  const encoded = encodeModel(onnx);
  await nextStep(options);
  // A planned block would be fresh memory once more, at the second run.
  const session = await createSession(encoded, { threads: options.threads, optimization: 'all', memoryPattern: false });
  try {
    for (let from = 0; from < count; from += options.batch) {
      await nextStep(options);
      const to = Math.min(from + options.batch, count);
      const results = await session.run({ [INPUT_NAME]: between(from, to) });
      for (const { layer, mean, variance } of outputs) {
        addWeighted(sums.get(layer)!.mean, results[mean]!.data, to - from);
        addWeighted(sums.get(layer)!.variance, results[variance]!.data, to - from);
      }
    }
  } finally {
    await session.release();
  }
  return averages(outputs, sums, count);
}
