import { invariant } from '../common/invariant.js';

/** The weights of a 1-D resize: output i is the sum of `taps` inputs from `starts[i]` on, times `weights[i * taps + t]`. */
export interface ResizeWeights {
  readonly inputSize: number;
  readonly outputSize: number;
  readonly taps: number;
  readonly starts: Int32Array;
  readonly weights: Float32Array;
}

/**
 * Weights of bilinear interpolation with antialias: a triangle filter that is stretched by the scale when shrinking.
 * Pixel centres are at half integers; weights outside the image are dropped and the rest is normalised to sum 1.
 * Source: Pillow's Resample.c (`precompute_coeffs`) and PyTorch's `interpolate(mode='bilinear', antialias=True, align_corners=False)`
 */
export function resizeWeights(inputSize: number, outputSize: number): ResizeWeights {
  invariant(inputSize > 0 && outputSize > 0, () => `cannot resize ${inputSize} to ${outputSize} pixels`);
  const scale = inputSize / outputSize;
  const stretch = Math.max(scale, 1);
  const support = stretch; // the triangle filter reaches 1 to each side, times the stretch
  const taps = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(outputSize);
  const weights = new Float32Array(outputSize * taps);
  for (let i = 0; i < outputSize; i++) {
    const center = scale * (i + 0.5);
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), inputSize);
    const raw = Array.from({ length: end - start }, (_, t) =>
      Math.max(0, 1 - Math.abs((t + start - center + 0.5) / stretch)),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    for (const [t, weight] of raw.entries()) weights[i * taps + t] = weight / sum;
    starts[i] = start;
  }
  return { inputSize, outputSize, taps, starts, weights };
}

/** Shifts windows that would read past the end, so that the inner loops need no bounds test; the sums do not change. */
function withinBounds(plan: ResizeWeights): ResizeWeights {
  const { inputSize, outputSize } = plan;
  const taps = Math.min(plan.taps, inputSize);
  const starts = new Int32Array(outputSize);
  const weights = new Float32Array(outputSize * taps);
  for (let i = 0; i < outputSize; i++) {
    const start = Math.max(0, Math.min(plan.starts[i]!, inputSize - taps));
    const shift = plan.starts[i]! - start;
    for (let t = 0; t + shift < taps && t < plan.taps; t++)
      weights[i * taps + t + shift] = plan.weights[i * plan.taps + t]!;
    starts[i] = start;
  }
  return { inputSize, outputSize, taps, starts, weights };
}

const plans = new Map<string, ResizeWeights>();

function planFor(inputSize: number, outputSize: number): ResizeWeights {
  const key = `${inputSize}:${outputSize}`;
  let plan = plans.get(key);
  if (plan === undefined) {
    plan = withinBounds(resizeWeights(inputSize, outputSize));
    plans.set(key, plan);
  }
  return plan;
}

/** Images to resize: pixels as stored, interleaved `[N, H, W, C]`; any number type, values are not scaled. */
export interface PixelBatch {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly pixels: Uint8Array | Float32Array;
}

/** Along the width: one channel's plane of one image, rows of the source -> rows `[H, outWidth]` of `rows`. */
function resizeRows(batch: PixelBatch, offset: number, plan: ResizeWeights, rows: Float32Array): void {
  const { height, width, channels, pixels } = batch;
  const { taps, starts, weights, outputSize } = plan;
  for (let y = 0; y < height; y++) {
    const line = offset + y * width * channels;
    for (let x = 0; x < outputSize; x++) {
      let at = line + starts[x]! * channels;
      let sum = 0;
      for (let t = x * taps; t < x * taps + taps; t++) {
        sum += weights[t]! * pixels[at]!;
        at += channels;
      }
      rows[y * outputSize + x] = sum;
    }
  }
}

/** Along the height: rows `[H, outWidth]` -> the plane `[outHeight, outWidth]` at `offset` of `out`. */
function resizeColumns(rows: Float32Array, plan: ResizeWeights, out: Float32Array, offset: number): void {
  const { taps, starts, weights, outputSize } = plan;
  const outWidth = rows.length / plan.inputSize;
  for (let y = 0; y < outputSize; y++) {
    const line = offset + y * outWidth;
    for (let x = 0; x < outWidth; x++) {
      let at = starts[y]! * outWidth + x;
      let sum = 0;
      for (let t = y * taps; t < y * taps + taps; t++) {
        sum += weights[t]! * rows[at]!;
        at += outWidth;
      }
      out[line + x] = sum;
    }
  }
}

function copyPlane(batch: PixelBatch, offset: number, out: Float32Array, at: number): void {
  const { height, width, channels, pixels } = batch;
  for (let i = 0, from = offset; i < height * width; i++, from += channels) out[at + i] = pixels[from]!;
}

/**
 * Resizes images to squares, bilinear with antialias, width first then height (as Pillow and PyTorch do).
 * @param batch pixels `[N, H, W, C]`
 * @param size output side, pixels
 * @param out written in place: float32 `[N, C, size, size]`, same value range as the pixels
 */
export function resizeBilinear(batch: PixelBatch, size: number, out: Float32Array): Float32Array {
  const { count, height, width, channels } = batch;
  const plane = size * size;
  invariant(
    out.length === count * channels * plane,
    () => `resize: out has ${out.length} elements, needs ${count * channels * plane}`,
  );
  const same = height === size && width === size;
  const across = planFor(width, size);
  const down = planFor(height, size);
  const rows = new Float32Array(height * size);
  for (let image = 0; image < count; image++) {
    for (let channel = 0; channel < channels; channel++) {
      const from = image * height * width * channels + channel;
      const to = (image * channels + channel) * plane;
      if (same) copyPlane(batch, from, out, to);
      else {
        resizeRows(batch, from, across, rows);
        resizeColumns(rows, down, out, to);
      }
    }
  }
  return out;
}
