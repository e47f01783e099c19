/** Float64 forward passes, written as plain loops from the definitions; they share nothing with src/. */

/** A float64 tensor. */
export interface Reference {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

const size = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

export function make(dims: readonly number[], at: (index: number) => number): Reference {
  return { dims, data: Float64Array.from({ length: size(dims) }, (_, i) => at(i)) };
}

export const map = (x: Reference, f: (value: number) => number): Reference => make(x.dims, (i) => f(x.data[i]!));

const four = (x: Reference): [number, number, number, number] => {
  const [n = 1, c = 1, h = 1, w = 1] = x.dims;
  return [n, c, h, w];
};

/** Grouped convolution with square kernel, stride and zero padding. */
export function conv(
  x: Reference,
  w: Reference,
  { stride, padding, groups }: { stride: number; padding: number; groups: number },
): Reference {
  const [n, channels, height, width] = four(x);
  const [out, perGroup, k] = four(w);
  const outHeight = Math.floor((height + 2 * padding - k) / stride) + 1;
  const outWidth = Math.floor((width + 2 * padding - k) / stride) + 1;
  const y = new Float64Array(n * out * outHeight * outWidth);
  let at = 0;
  for (let image = 0; image < n; image++) {
    for (let o = 0; o < out; o++) {
      const firstInput = Math.floor(o / (out / groups)) * perGroup;
      for (let row = 0; row < outHeight; row++) {
        for (let column = 0; column < outWidth; column++) {
          let sum = 0;
          for (let i = 0; i < perGroup; i++) {
            for (let tap = 0; tap < k * k; tap++) {
              const r = row * stride - padding + Math.floor(tap / k);
              const c = column * stride - padding + (tap % k);
              if (r < 0 || c < 0 || r >= height || c >= width) continue;
              const value = x.data[((image * channels + firstInput + i) * height + r) * width + c]!;
              sum += value * w.data[(o * perGroup + i) * k * k + tap]!;
            }
          }
          y[at++] = sum;
        }
      }
    }
  }
  return { dims: [n, out, outHeight, outWidth], data: y };
}

/** Batch statistics (biased, two passes), then gamma and beta. */
export function batchNorm(x: Reference, gamma: Reference, beta: Reference, epsilon: number): Reference {
  const [n, c, h, w] = four(x);
  const area = h * w;
  const channelOf = (i: number): number => Math.floor(i / area) % c;
  const mean = new Float64Array(c);
  const variance = new Float64Array(c);
  x.data.forEach((value, i) => {
    mean[channelOf(i)]! += value / (n * area);
  });
  x.data.forEach((value, i) => {
    variance[channelOf(i)]! += (value - mean[channelOf(i)]!) ** 2 / (n * area);
  });
  return make(x.dims, (i) => {
    const channel = channelOf(i);
    const normal = (x.data[i]! - mean[channel]!) / Math.sqrt(variance[channel]! + epsilon);
    return gamma.data[channel]! * normal + beta.data[channel]!;
  });
}

export const activations = {
  none: (x: number): number => x,
  relu: (x: number): number => Math.max(0, x),
  relu6: (x: number): number => Math.min(6, Math.max(0, x)),
  hSwish: (x: number): number => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  hardSigmoid: (x: number): number => Math.min(6, Math.max(0, x + 3)) / 6,
} as const;

/** Where the activations have no derivative. */
export const kinks = {
  none: [],
  relu: [0],
  relu6: [0, 6],
  hSwish: [-3, 3],
} as const satisfies Partial<Record<keyof typeof activations, readonly number[]>>;

export const add = (a: Reference, b: Reference): Reference => make(a.dims, (i) => a.data[i]! + b.data[i]!);

/** x[n, c, h, w] * scale[n, c]. */
export function scaleChannels(x: Reference, scale: Reference): Reference {
  const [, , h, w] = four(x);
  return make(x.dims, (i) => x.data[i]! * scale.data[Math.floor(i / (h * w))]!);
}

/** [N, C, H, W] -> [N, C]. */
export function globalPool(x: Reference): Reference {
  const [n, c, h, w] = four(x);
  const sum = (map: number): number => x.data.subarray(map * h * w, (map + 1) * h * w).reduce((a, b) => a + b, 0);
  return make([n, c], (i) => sum(i) / (h * w));
}

/** x W^T + bias. */
export function linear(x: Reference, weight: Reference, bias: Reference): Reference {
  const [n = 0, inputs = 0] = x.dims;
  const [out = 0] = weight.dims;
  return make([n, out], (index) => {
    const row = Math.floor(index / out);
    const o = index % out;
    let sum = bias.data[o]!;
    for (let i = 0; i < inputs; i++) sum += x.data[row * inputs + i]! * weight.data[o * inputs + i]!;
    return sum;
  });
}

/** Centre taps of [C, 1, K, K], mapped by a [k * k, k * k] matrix if there is one. */
export function kernelTransform(weight: Reference, k: number, matrix?: Reference): Reference {
  const [c, , full] = four(weight);
  const margin = (full - k) / 2;
  const tapOf = (channel: number, tap: number): number => {
    const row = margin + Math.floor(tap / k);
    return weight.data[(channel * full + row) * full + margin + (tap % k)]!;
  };
  return make([c, 1, k, k], (index) => {
    const channel = Math.floor(index / (k * k));
    const tap = index % (k * k);
    if (matrix === undefined) return tapOf(channel, tap);
    let sum = 0;
    for (let i = 0; i < k * k; i++) sum += matrix.data[tap * k * k + i]! * tapOf(channel, i);
    return sum;
  });
}

/** Mean over rows of -sum t log softmax(logits). */
export function softTargetCrossEntropy(logits: Reference, targets: Reference): Reference {
  const [n = 0, classes = 0] = logits.dims;
  let loss = 0;
  for (let row = 0; row < n; row++) {
    const values = logits.data.subarray(row * classes, (row + 1) * classes);
    const logSum = Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
    values.forEach((value, k) => {
      loss -= (targets.data[row * classes + k]! * (value - logSum)) / n;
    });
  }
  return make([], () => loss);
}
