import * as ort from 'onnxruntime-node';
import { expect } from 'vitest';
import { backward } from '../../src/autodiff/backward.js';
import type { Attributes, InputName, OpKind } from '../../src/autodiff/ops/op-table.js';
import { inLayout } from '../../src/autodiff/primitives/layout.js';
import { Tape, type Variable } from '../../src/autodiff/tape.js';
import type { Lowering } from '../../src/autodiff/term.js';
import { makeRng, type Rng } from '../../src/common/rng.js';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { encodeModel } from '../../src/onnx/codec.js';
import { type FloatTensor, floats, sizeOf, type Tensor, tensorFrom } from '../../src/tensor/tensor.js';
import { make, type Reference } from './reference.js';

/** Runs a model once on the CPU as training does: graph as written, no spinning. */
export async function runModel(
  model: Uint8Array,
  feeds: Readonly<Record<string, FloatTensor>>,
): Promise<Record<string, Tensor>> {
  const session = await ort.InferenceSession.create(model, {
    graphOptimizationLevel: 'disabled',
    intraOpNumThreads: 1,
    logSeverityLevel: 4, // a refused model is an answer here, not news
    extra: { 'session.intra_op.allow_spinning': '0' },
  });
  const given = Object.entries(feeds).map(([name, { data, dims }]) => [name, new ort.Tensor('float32', data, dims)]);
  const results = await session.run(Object.fromEntries(given));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, { data, dims }]) => [name, tensorFrom('float32', dims, data as Float32Array)]),
  );
}

/**
 * Block size of the runtime's blocked operators on this machine, by where `ReorderInput` puts the second pixel of the first channel;
 * undefined if there are none. It knows nothing of src/autodiff, so that a fault there cannot pass for an absent operator.
 */
async function blockedOperators(): Promise<8 | 16 | undefined> {
  const builder = new GraphBuilder('reorder');
  const x = builder.input('x', 'float32', [1, 32, 1, 2]);
  const reordered = builder.node('ReorderInput', [x], { domain: 'com.microsoft.nchwc' });
  const flat = builder.node('Reshape', [reordered, builder.int64Const([64])], { name: 'flat' });
  builder.output(flat, 'float32', [64]);
  try {
    const feeds = {
      x: floats(
        [1, 32, 1, 2],
        Float32Array.from({ length: 64 }, (_, i) => i),
      ),
    };
    const outputs = await runModel(encodeModel(builder.model()), feeds);
    const place = Array.from(outputs.flat?.data ?? [], Number).indexOf(1);
    return place === 8 || place === 16 ? place : undefined;
  } catch {
    return undefined;
  }
}

/** The lowerings of this machine: `standard` always, `nchwc` where the runtime has the operators. */
const block = await blockedOperators();
export const nchwc: Lowering = block === undefined ? { kind: 'standard' } : { kind: 'nchwc', block };
export const LOWERINGS: readonly { readonly name: string; readonly lowering: Lowering; readonly absent: boolean }[] = [
  { name: 'standard', lowering: { kind: 'standard' }, absent: false },
  { name: 'nchwc', lowering: nchwc, absent: block === undefined },
];

/** How an input of a case is filled: standard normal unless told. */
export interface InputSpec {
  readonly dims: readonly number[];
  readonly mean?: number;
  readonly spread?: number;
  /** Values that are kept away from, by at least {@link KINK_MARGIN}. */
  readonly kinks?: readonly number[];
  /** Rows of positive values that sum to 1. */
  readonly distribution?: boolean;
  /** The values themselves, instead of random ones. */
  readonly values?: readonly number[];
  /** No gradient is asked for. */
  readonly fixed?: boolean;
}

/** One row of an operation's table: shapes, attributes, and the float64 forward that the gradients are differences of. */
export interface GradientCase<K extends OpKind> {
  readonly kind: K;
  readonly inputs: Readonly<Record<InputName<K>, InputSpec>>;
  readonly attributes: Attributes<K>;
  readonly reference: (inputs: Readonly<Record<InputName<K>, Reference>>) => Reference;
  readonly seed?: number;
}

/** Far beyond the step of the differences and float32 rounding. */
const KINK_MARGIN = 1e-2;
/** Step of the central differences: their error is about step^2 and rounding / step, both near 1e-10 here. */
const STEP = 1e-5;
/** Float32 sums of up to some thousand terms; relative to the largest entry. Observed: below 3e-6. */
const TOLERANCE = 2e-5;

function fill(spec: InputSpec, rng: Rng): Float32Array {
  if (spec.values !== undefined) return Float32Array.from(spec.values);
  const data = Float32Array.from({ length: sizeOf(spec.dims) }, () => {
    const value = (spec.mean ?? 0) + (spec.spread ?? 1) * rng.normal();
    const near = spec.kinks?.find((kink) => Math.abs(value - kink) < KINK_MARGIN);
    return near === undefined ? value : near + 2 * KINK_MARGIN;
  });
  if (!spec.distribution) return data;
  const columns = spec.dims.at(-1) ?? 1;
  const weights = data.map((value) => Math.exp(value));
  return weights.map((value, i) => {
    const start = i - (i % columns);
    return value / weights.subarray(start, start + columns).reduce((sum, other) => sum + other, 0);
  });
}

/** Largest difference, relative to the largest expected entry. */
export function relativeError(expected: ArrayLike<number>, given: ArrayLike<number>): number {
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const error = Math.abs(expected[i]! - given[i]!);
    difference = error > difference || Number.isNaN(error) ? error : difference;
  }
  return largest === 0 ? difference : difference / largest;
}

/** How many entries of each gradient are checked one by one, and how many random directions through all of its entries. */
const ENTRIES = 32;
const DIRECTIONS = 4;

/**
 * Derivatives of f in float64 by central differences along some directions: unit vectors of randomly chosen entries
 * (all, if there are few), and random vectors that touch every entry.
 */
function probes(length: number, rng: Rng): readonly Float64Array[] {
  const entries =
    length <= ENTRIES ? Array.from({ length }, (_, i) => i) : Array.from({ length: ENTRIES }, () => rng.int(length));
  const unit = (entry: number): Float64Array => new Float64Array(length).fill(1, entry, entry + 1);
  const everywhere = Array.from({ length: DIRECTIONS }, () =>
    // Of length 1, so that the derivatives along them are of the size of an entry's and kinks stay out of reach.
    Float64Array.from({ length }, () => rng.normal() / Math.sqrt(length)),
  );
  return [...entries.map(unit), ...everywhere];
}

function difference(f: (x: Float64Array) => number, x: Float64Array, along: Float64Array): number {
  const at = (step: number): number => f(x.map((value, i) => value + step * along[i]!));
  return (at(STEP) - at(-STEP)) / (2 * STEP);
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

/** The operation on a tape, its output along a direction, and the gradients of every input that has one. */
function caseModel<K extends OpKind>(
  row: GradientCase<K>,
  lowering: Lowering,
  direction: readonly number[],
): Uint8Array {
  const builder = new GraphBuilder(row.kind);
  const tape = new Tape(builder, lowering);
  const specs = Object.entries<InputSpec>(row.inputs);
  const variables = specs.map(([name, { dims, fixed }]): [string, Variable] => [
    name,
    fixed ? tape.input(name, dims) : tape.parameter(name, dims),
  ]);
  const operands = Object.fromEntries(variables) as Record<InputName<K>, Variable>; // keys of row.inputs
  const y = tape.apply(row.kind, operands, row.attributes);
  const seed = tape.input('direction', direction);
  const plain = inLayout(tape.emitter, y.term, 'plain');
  builder.output(builder.node('Identity', [plain.value], { name: 'y' }), 'float32', y.term.dims);
  const gradientOf = backward(tape, y, seed.term);
  for (const [name, variable] of variables.filter(([, { needsGradient }]) => needsGradient)) {
    const gradient = gradientOf(variable);
    expect(gradient, `a gradient for ${name}`).toBeDefined();
    if (gradient === undefined) continue;
    const output = builder.node('Identity', [gradient.value], { name: `grad/${name}` });
    builder.output(output, 'float32', variable.term.dims);
  }
  return encodeModel(builder.model());
}

/**
 * Checks an operation's forward against the float64 reference, and each of its gradients against central differences of that
 * reference, entry by entry. A failure names input, error, tolerance and seed.
 */
export async function checkGradients<K extends OpKind>(row: GradientCase<K>, lowering: Lowering): Promise<void> {
  const seed = row.seed ?? 7;
  const rng = makeRng(seed);
  const specs = Object.entries<InputSpec>(row.inputs);
  const feeds = Object.fromEntries(specs.map(([name, spec]) => [name, floats(spec.dims, fill(spec, rng.fork(name)))]));
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { dims, data }]) => [name, make(dims, (i) => data[i]!)]),
  );
  const reference = row.reference as (inputs: Readonly<Record<string, Reference>>) => Reference; // keys of row.inputs
  const y = reference(inputs);
  const directionRng = rng.fork('direction');
  const direction = Float32Array.from(y.data, () => directionRng.normal());
  const model = caseModel(row, lowering, y.dims);
  const outputs = await runModel(model, { ...feeds, direction: floats(y.dims, direction) });
  const check = (name: string, expected: ArrayLike<number>, given: ArrayLike<number>): void => {
    const error = relativeError(expected, given);
    expect(error, `${row.kind} ${name}, seed ${seed}: relative error ${error}`).toBeLessThan(TOLERANCE);
  };
  check('y', y.data, outputs.y?.data as Float32Array);
  for (const [name, { fixed }] of specs) {
    if (fixed) continue;
    const { dims, data } = inputs[name]!;
    const f = (moved: Float64Array): number =>
      dot(reference({ ...inputs, [name]: { dims, data: moved } }).data, direction);
    const along = probes(data.length, rng.fork(`probes ${name}`));
    const gradient = outputs[`grad/${name}`]?.data as Float32Array;
    expect(gradient.length, `entries of grad/${name}`).toBe(data.length);
    check(
      `grad/${name}`,
      along.map((vector) => difference(f, data, vector)),
      along.map((vector) => dot(gradient, vector)),
    );
  }
}
