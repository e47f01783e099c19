import type { Rng } from '../../../src/common/rng.js';
import type { Mlp, MlpEnsemble } from '../../../src/predictors/mlp-graph.js';
import { floats } from '../../../src/tensor/tensor.js';

/** An MLP of random weights. @param sizes of the input, the hidden layers and the output */
export function randomMlp(rng: Rng, sizes: readonly number[], withBias = true): Mlp {
  const draw = (dims: readonly number[], size: number, scale: number) =>
    floats(
      dims,
      Float32Array.from({ length: size }, () => scale * rng.normal()),
    );
  const layers = sizes.slice(1).map((outputs, i) => {
    const inputs = sizes[i]!;
    return {
      weight: draw([outputs, inputs], outputs * inputs, 2 / Math.sqrt(inputs)),
      bias: draw([outputs], outputs, withBias ? 0.5 : 0),
    };
  });
  return { layers };
}

/** Rows of zeros and ones, as one-hots are. */
export const randomRows = (rng: Rng, count: number, features: number): Float32Array =>
  Float32Array.from({ length: count * features }, () => (rng.chance(0.4) ? 1 : 0));

/** What one member gives in float64, and what its ReLUs were given. */
function forward({ layers }: Mlp, input: readonly number[]): { readonly output: number; readonly before: number[] } {
  const before: number[] = [];
  let x = input;
  layers.forEach(({ weight, bias }, l) => {
    const width = x.length;
    const z = Array.from(bias.data, (b, o) => x.reduce((sum, v, i) => sum + v * weight.data[o * width + i]!, b));
    if (l < layers.length - 1) before.push(...z);
    x = l < layers.length - 1 ? z.map((v) => Math.max(0, v)) : z;
  });
  return { output: x[0]!, before };
}

/** The ensemble's top-1 in float64 with what all ReLUs were given. */
export function judge({ members, mean, std }: MlpEnsemble, input: readonly number[]) {
  const all = members.map((member) => forward(member, input));
  const sum = all.reduce((total, { output }) => total + output, 0);
  return { top1: mean + (std * sum) / members.length, before: all.flatMap(({ before }) => before) };
}

/**
 * What float32 may be off by, per feature: a sum of n products, in whatever order, errs by at most n * 2^-24 of the sum of their sizes
 * (Higham 2002, section 3.1), so a chain of layers by the sum of its widths, of what the chain of absolute weights gives. Two for the last scaling.
 */
export function roundingBounds({ members, std }: MlpEnsemble): number[] {
  const bounds = new Array<number>(members[0]!.layers[0]!.weight.dims[1]!).fill(0);
  for (const { layers } of members) {
    const terms = layers.reduce((sum, { bias }) => sum + bias.data.length, members.length + 2);
    let sizes = [1];
    for (const { weight } of [...layers].reverse()) {
      const width = weight.dims[1]!;
      const from = sizes;
      sizes = Array.from({ length: width }, (_, i) =>
        from.reduce((sum, size, o) => sum + size * Math.abs(weight.data[o * width + i]!), 0),
      );
    }
    sizes.forEach((size, i) => {
      bounds[i]! += (terms * 2 ** -24 * std * size) / members.length;
    });
  }
  return bounds;
}
