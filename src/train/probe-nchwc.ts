import { backward } from '../autodiff/backward.js';
import { Tape } from '../autodiff/tape.js';
import type { Lowering } from '../autodiff/term.js';
import { makeRng } from '../common/rng.js';
import { GraphBuilder } from '../onnx/builder.js';
import { encodeModel } from '../onnx/codec.js';
import { type FloatTensor, floats, sizeOf, type Tensor } from '../tensor/tensor.js';

/** Runs a model once in a session of its own; rejects if the runtime refuses it. */
export type RunModel = (
  model: Uint8Array,
  feeds: Readonly<Record<string, FloatTensor>>,
) => Promise<Readonly<Record<string, Tensor>>>;

/** Block sizes that ONNX Runtime's CPU kernels have, widest first: 16 floats with AVX-512, 8 with AVX2 and others. */
const BLOCKS = [16, 8] as const;

/** Wrong layouts give errors as large as the values; float32 rounding of these sums stays below 1e-5 of them. */
const TOLERANCE = 1e-4;
/** Accelerators round the factors of convolutions to 10 bits. */
const ACCELERATOR_TOLERANCE = 1e-2;

/** A stem, a 1x1 and a depthwise convolution and a normalisation, with two blocks of channels and images whose pixels fill blocks: every blocked operator occurs. */
const DIMS = {
  images: [2, 1, 8, 8],
  direction: [2, 32],
  stem: [16, 1, 3, 3],
  expand: [32, 16, 1, 1],
  depthwise: [32, 1, 3, 3],
  gamma: [32],
  beta: [32],
} as const satisfies Record<string, readonly number[]>;

/** A small network, forward and backward, whose outputs are `y` and a gradient per parameter. */
function probeModel(lowering: Lowering): Uint8Array {
  const builder = new GraphBuilder('probe');
  const tape = new Tape(builder, lowering);
  const images = tape.input('images', DIMS.images);
  const direction = tape.input('direction', DIMS.direction);
  const stem = tape.parameter('stem', DIMS.stem);
  const expand = tape.parameter('expand', DIMS.expand);
  const depthwise = tape.parameter('depthwise', DIMS.depthwise);
  const gamma = tape.parameter('gamma', DIMS.gamma);
  const beta = tape.parameter('beta', DIMS.beta);
  const sliding = { stride: 1, padding: 1 };
  const narrow = tape.apply('conv', { x: images, weight: stem }, sliding);
  const wide = tape.apply('pointwise', { x: narrow, weight: expand }, {});
  const filtered = tape.apply('depthwise', { x: wide, weight: depthwise }, { ...sliding, stride: 2 });
  const normalized = tape.apply(
    'batchNorm',
    { x: filtered, gamma, beta },
    { epsilon: 1e-5, activation: 'none' }, // no kink, so that both lowerings must agree to rounding
  );
  const y = tape.apply('globalPool', { x: tape.apply('hSwish', { x: normalized }, {}) }, {});
  builder.output(builder.node('Identity', [y.term.value], { name: 'y' }), 'float32', y.term.dims);
  const gradientOf = backward(tape, y, direction.term);
  for (const [name, parameter] of Object.entries({ stem, expand, depthwise, gamma, beta })) {
    const gradient = gradientOf(parameter);
    if (gradient === undefined) continue;
    const output = builder.node('Identity', [gradient.value], { name: `grad/${name}` });
    builder.output(output, 'float32', parameter.term.dims);
  }
  return encodeModel(builder.model());
}

/** Seeded values, so that the probe's verdict is the same at every start. */
function probeFeeds(): Record<string, FloatTensor> {
  const rng = makeRng(1);
  return Object.fromEntries(
    Object.entries(DIMS).map(([name, dims]) => {
      const data = Float32Array.from({ length: sizeOf(dims) }, () => rng.normal());
      return [name, floats(dims, data)];
    }),
  );
}

function agrees(expected: Tensor, given: Tensor | undefined, tolerance: number): boolean {
  if (given === undefined || given.data.length !== expected.data.length) return false;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.data.length; i++) {
    largest = Math.max(largest, Math.abs(Number(expected.data[i])));
    const error = Math.abs(Number(expected.data[i]) - Number(given.data[i]));
    difference = error > difference || Number.isNaN(error) ? error : difference; // NaN must not slip through
  }
  return difference <= tolerance * largest;
}

/**
 * Finds out which operators training graphs can be made of on this machine: runs a small forward and backward pass with standard operators,
 * then with ONNX Runtime's blocked operators at block 16 and 8, and takes the first that gives the same numbers.
 * The blocked operators are internal to ONNX Runtime and depend on the CPU and its version, so this is tried, never looked up.
 * @param run runs a model on the execution provider that will train
 * @returns `standard` if no block size works
 */
export async function probeLowering(run: RunModel): Promise<Lowering> {
  const feeds = probeFeeds();
  const expected = await run(probeModel({ kind: 'standard' }), feeds);
  for (const block of BLOCKS) {
    const lowering: Lowering = { kind: 'nchwc', block };
    try {
      const given = await run(probeModel(lowering), feeds);
      if (Object.entries(expected).every(([name, tensor]) => agrees(tensor, given[name], TOLERANCE))) return lowering;
    } catch {
      // Refused: this build of the runtime has no such operator, or not on this provider.
    }
  }
  return { kind: 'standard' };
}

/**
 * Whether a small forward and backward pass with standard operators gives the same numbers elsewhere as on the CPU, to an accelerator's rounding.
 * @param run runs a model on the execution providers that will train
 * @param onCpu runs it on the CPU
 */
export async function computesAsCpu(run: RunModel, onCpu: RunModel): Promise<boolean> {
  const [model, feeds] = [probeModel({ kind: 'standard' }), probeFeeds()];
  const given = await run(model, feeds);
  const expected = await onCpu(model, feeds);
  return Object.entries(expected).every(([name, tensor]) => agrees(tensor, given[name], ACCELERATOR_TOLERANCE));
}
