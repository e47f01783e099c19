import { makeRng } from '../../../src/common/rng.js';
import type { EncodedObjective, Objective } from '../../../src/search/types.js';
import { encodeArchs, encodingLength } from '../../../src/space/encoding.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';

/** An objective on the encoding that notes what it is asked. */
export interface EncodedToy extends Objective {
  readonly encoded: EncodedObjective;
  /** What was asked about, one by one and in order: rows for their scores and slopes, and architectures. */
  readonly asked: { readonly scores: string[]; readonly slopes: string[]; readonly archs: Arch[] };
}

export interface ToyOptions {
  readonly seed: number;
  /** Hidden units; without any the objective is linear. */
  readonly hidden: number;
  /** The encoding's resolutions; the space's unless told. */
  readonly resolutions?: readonly number[];
}

/**
 * A seeded objective of the encoding of about -1..1: linear, or with one layer of ReLUs, so that blocks interact and slopes change from place to
 * place. Scores and slopes are computed row by row, in float64, by the formula.
 */
export function encodedToy(
  space: SearchSpace,
  { seed, hidden, resolutions = space.resolutions }: ToyOptions,
): EncodedToy {
  const rng = makeRng(seed);
  const features = encodingLength(space, resolutions);
  const draw = (size: number, scale: number): Float64Array =>
    Float64Array.from({ length: size }, () => scale * rng.normal());
  const direct = draw(features, 0.05);
  const units = Array.from({ length: hidden }, () => ({
    bias: 0.3 * rng.normal(),
    weights: draw(features, 0.5),
    out: (0.4 * rng.normal()) / Math.sqrt(hidden),
  }));
  const asked = { scores: [] as string[], slopes: [] as string[], archs: [] as Arch[] };
  const dot = (weights: Float64Array, row: Float32Array): number => {
    let sum = 0;
    for (let i = 0; i < features; i++) if (row[i] !== 0) sum += weights[i]! * row[i]!;
    return sum;
  };
  const scoreOf = (row: Float32Array): number =>
    units.reduce((sum, { bias, weights, out }) => sum + out * Math.max(0, bias + dot(weights, row)), dot(direct, row));
  const slopesOf = (row: Float32Array): Float64Array => {
    const slopes = direct.slice();
    for (const { bias, weights, out } of units) {
      if (bias + dot(weights, row) <= 0) continue;
      for (let i = 0; i < features; i++) slopes[i]! += out * weights[i]!;
    }
    return slopes;
  };
  const eachOf = (rows: Float32Array): Float32Array[] =>
    Array.from({ length: rows.length / features }, (_, index) => rows.slice(index * features, (index + 1) * features));
  const noted = (rows: Float32Array, notes: string[]): Float32Array[] => {
    const each = eachOf(rows);
    notes.push(...each.map((row) => row.join('')));
    return each;
  };
  return {
    asked,
    score: async (archs) => {
      for (const arch of archs) asked.archs.push(arch);
      return Float32Array.from(eachOf(encodeArchs(space, archs, undefined, resolutions)), scoreOf);
    },
    encoded: {
      resolutions,
      score: (rows) => {
        const scores = Float32Array.from(noted(rows, asked.scores), scoreOf);
        return { take: async () => scores };
      },
      slopes: (rows) => {
        const all = new Float32Array(rows.length);
        noted(rows, asked.slopes).forEach((row, index) => {
          all.set(slopesOf(row), index * features);
        });
        return { take: async () => all };
      },
    },
  };
}
