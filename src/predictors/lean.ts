import { makeRng } from '../common/rng.js';
import { encodeModel } from '../onnx/codec.js';
import { createSession } from '../runtime/session.js';
import { encodeArchs } from '../space/encoding.js';
import { sampleArch } from '../space/sample.js';
import type { SearchSpace } from '../space/types.js';
import { type FloatTensor, filled, floats } from '../tensor/tensor.js';
import { type DenseLayer, hiddenModel, type Mlp, type MlpEnsemble, macsOf, type Shortcut } from './mlp-graph.js';

/** Weights below this are as good as zero: far below the rounding of a score, and near those that processors take a hundred times as long for. */
const NEGLIGIBLE = 2 ** -100;

const cleaned = (tensor: FloatTensor): FloatTensor => ({
  ...tensor,
  data: tensor.data.map((value) => (Math.abs(value) < NEGLIGIBLE ? 0 : value)),
});

/** Some rows of a weight [out, in]. */
function rowsOf({ data, dims }: FloatTensor, rows: readonly number[]): FloatTensor {
  const width = dims[1]!;
  const kept = new Float32Array(rows.length * width);
  rows.forEach((row, at) => {
    kept.set(data.subarray(row * width, (row + 1) * width), at * width);
  });
  return floats([rows.length, width], kept);
}

/** Some columns of a weight [out, in]. */
function columnsOf({ data, dims }: FloatTensor, columns: readonly number[]): FloatTensor {
  const [height, width] = [dims[0]!, dims[1]!];
  const kept = new Float32Array(height * columns.length);
  for (let row = 0, at = 0; row < height; row++) {
    for (const column of columns) kept[at++] = data[row * width + column]!;
  }
  return floats([height, columns.length], kept);
}

/** Some units of a layer. */
const unitsOf = ({ weight, bias }: DenseLayer, units: readonly number[]): DenseLayer => ({
  weight: rowsOf(weight, units),
  bias: floats(
    [units.length],
    units.map((unit) => bias.data[unit]!),
  ),
});

/** Layers with some units of one hidden layer alone. */
const withUnits = (layers: readonly DenseLayer[], hidden: number, units: readonly number[]): DenseLayer[] =>
  layers.map((layer, i) => {
    if (i === hidden) return unitsOf(layer, units);
    return i === hidden + 1 ? { ...layer, weight: columnsOf(layer.weight, units) } : layer;
  });

/** Layers without the units of a hidden layer that nothing reads, or that give the same for every input, which goes into what reads them. */
function withoutIdle(layers: readonly DenseLayer[], hidden: number): DenseLayer[] {
  const { weight, bias: own } = layers[hidden]!;
  const next = layers[hidden + 1]!;
  const [units, inputs] = [weight.dims[0]!, weight.dims[1]!];
  const readers = next.weight.dims[0]!;
  const biases = Float64Array.from(next.bias.data);
  const kept: number[] = [];
  for (let unit = 0; unit < units; unit++) {
    const isConstant = weight.data.subarray(unit * inputs, (unit + 1) * inputs).every((value) => value === 0);
    const value = Math.max(0, own.data[unit]!);
    let isRead = false;
    for (let reader = 0; reader < readers; reader++) {
      const by = next.weight.data[reader * units + unit]!;
      if (isConstant) biases[reader]! += by * value;
      else if (by !== 0) isRead = true;
    }
    if (isRead) kept.push(unit);
  }
  if (kept.length === units) return [...layers];
  const bias = floats([readers], Float32Array.from(biases));
  if (kept.length === 0) {
    // A layer has a unit: one that gives 0 and is not read.
    const none = { weight: filled([1, inputs], 0), bias: filled([1], 0) };
    return layers.with(hidden, none).with(hidden + 1, { weight: filled([readers, 1], 0), bias });
  }
  const fewer = withUnits(layers, hidden, kept);
  return fewer.with(hidden + 1, { ...fewer[hidden + 1]!, bias });
}

/**
 * The same ensemble without weights near zero, and without units that give the same for every input or that nothing reads: weight decay
 * leaves many in published predictors (four of five in two layers of the ResNet50 one's).
 */
export function withoutIdleUnits(ensemble: MlpEnsemble): MlpEnsemble {
  const leanOf = ({ layers }: Mlp): Mlp => {
    let lean = layers.map(({ weight, bias }) => ({ weight: cleaned(weight), bias: cleaned(bias) }));
    let before: number;
    do {
      before = macsOf(lean);
      for (let hidden = 0; hidden + 1 < lean.length; hidden++) lean = withoutIdle(lean, hidden);
    } while (macsOf(lean) < before); // what fed units that went is read no more
    return { layers: lean };
  };
  return { ...ensemble, members: ensemble.members.map(leanOf) };
}

/** Units that a shortcut keeps are a multiple of this, as the runtime multiplies in tiles of so many columns. */
const TILE = 16;
/** A shortcut must leave at most this share of the multiply-adds, else its own operators cost what it saves. */
const WORTHWHILE = 0.9;

/** What is known of a hidden layer's units from some rows. */
interface Seen {
  /** Units, the most often active first. */
  readonly order: readonly number[];
  /** Per number of units kept, 0 to all: the share of other rows for which one of the rest is active. */
  readonly broken: Float64Array;
}

/** @param values [rows, units], after the ReLU; the first half says how often a unit is active, the other what comes of keeping the first of them */
function look(values: Float32Array, units: number): Seen {
  const rows = values.length / units;
  const half = rows >> 1;
  const counts = new Float64Array(units);
  for (let at = 0; at < half * units; at++) if (values[at]! > 0) counts[at % units]!++;
  const order = [...counts.keys()].sort((a, b) => counts[b]! - counts[a]! || a - b);
  const broken = new Float64Array(units + 1);
  for (let row = half; row < rows; row++) {
    let needed = units;
    while (needed > 0 && !(values[row * units + order[needed - 1]!]! > 0)) needed--;
    for (let kept = 0; kept < needed; kept++) broken[kept]! += 1 / (rows - half);
  }
  return { order, broken };
}

/** The shortcut that saves most; undefined where none is worthwhile. @param hidden values of each hidden layer for the same rows */
function bestShortcut({ layers }: Mlp, hidden: readonly Float32Array[]): Shortcut | undefined {
  const whole = macsOf(layers);
  let least = WORTHWHILE * whole;
  let best: Shortcut | undefined;
  for (const [at, values] of hidden.entries()) {
    const [units, readers] = [layers[at]!.weight.dims[0]!, layers[at + 1]!.weight.dims[0]!];
    const { order, broken } = look(values, units);
    for (let kept = TILE; kept < units; kept += TILE) {
      const macs = whole - (units - kept) * readers + broken[kept]! * whole; // all units are still computed, to be watched
      if (macs >= least) continue;
      const inOrder = (some: readonly number[]) => some.toSorted((a, b) => a - b);
      const watched = unitsOf(layers[at]!, inOrder(order.slice(kept)));
      best = { layers: withUnits(layers, at, inOrder(order.slice(0, kept))), hidden: at, watched };
      least = macs;
    }
  }
  return best;
}

/** Rows by which units that rest are told: half say which ones, half what becomes of leaving them out. */
const SAMPLE_ROWS = 2048;

/** Rows `[n, features]` of random architectures, the same ones every time. @param resolutions the predictor's list, pixels */
export function sampleRows(space: SearchSpace, resolutions: readonly number[]): Float32Array {
  const rng = makeRng(0).fork('shortcuts');
  const archs = Array.from({ length: SAMPLE_ROWS }, () => sampleArch(space, rng, { resolutions }));
  return encodeArchs(space, archs, undefined, resolutions);
}

/** The same ensemble with a shortcut in each member where one is worthwhile. @param rows of inputs such as will come, `[n, features]` */
export async function withShortcuts(ensemble: MlpEnsemble, rows: Float32Array): Promise<MlpEnsemble> {
  const members: Mlp[] = [];
  for (const { layers } of ensemble.members) {
    const member = { layers };
    const features = layers[0]!.weight.dims[1]!;
    const useful = layers.length - 2; // the last hidden layer is read by one unit: nothing to save
    if (useful < 1) {
      members.push(member);
      continue;
    }
    const session = await createSession(encodeModel(hiddenModel(member, useful)), { threads: 1, optimization: 'all' });
    try {
      const outputs = await session.run({ encoding: floats([rows.length / features, features], rows) });
      const hidden = Array.from({ length: useful }, (_, i) => outputs[`hidden.${i}`]!.data as Float32Array); // all are float32
      const shortcut = bestShortcut(member, hidden);
      members.push(shortcut === undefined ? member : { ...member, shortcut });
    } finally {
      await session.release();
    }
  }
  return { ...ensemble, members };
}
