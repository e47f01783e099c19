import { invariant } from '../../common/invariant.js';
import { solvePositiveDefinite } from '../../common/linear-system.js';
import { meanOf } from '../../common/mean.js';
import type { ArchLabel } from './label.js';

/** Columns that are figures of a label, before those of its encoding: soft top-1 and top-1. */
const FIGURES = 2;
/** Keeps the fit defined where soft top-1 is constant; in standardized columns. */
const SOFT_RIDGE = 1e-6;
/** What the other weights may be held down by, in standardized columns: from hardly at all to out of sight. */
const RIDGES = Array.from({ length: 13 }, (_, i) => 10 ** (-3 + i / 2));

/** From the figures on one half of the label images, and the encoding, to top-1 on the other half; means taken out. */
interface Direction {
  /** Row-major `[labels, columns]`. */
  readonly design: Float64Array;
  readonly targets: Float64Array;
  /** Sums over the rows of column by column, `[columns, columns]`, and of column by target. */
  readonly normal: Float64Array;
  readonly right: Float64Array;
}

/** Values minus their mean. */
function centered(values: ArrayLike<number>): Float64Array {
  const mean = meanOf(values);
  return Float64Array.from(values, (value) => value - mean);
}

/** What brings centered columns to a standard deviation of 1; 0 for constant ones, which so count for nothing. */
function scaleOf(...columns: readonly Float64Array[]): number {
  const squares = columns.reduce((sum, column) => sum + column.reduce((total, value) => total + value ** 2, 0), 0);
  const deviation = Math.sqrt(squares / columns.reduce((sum, { length }) => sum + length, 0));
  return deviation > 1e-9 ? 1 / deviation : 0;
}

/** Centered and scaled columns of the encodings, row-major `[labels, columns]` with the first two 0. */
function encodingColumns(encoding: Float32Array, rows: number): Float64Array {
  const features = encoding.length / rows;
  const columns = FIGURES + features;
  const design = new Float64Array(rows * columns);
  for (let j = 0; j < features; j++) {
    const column = centered(Float64Array.from({ length: rows }, (_, i) => encoding[i * features + j]!));
    const scale = scaleOf(column);
    for (let i = 0; i < rows; i++) design[i * columns + FIGURES + j] = column[i]! * scale;
  }
  return design;
}

/** The design with figures in its first two columns. */
function withFigures(encoded: Float64Array, soft: Float64Array, top1: Float64Array): Float64Array {
  const design = Float64Array.from(encoded);
  const columns = encoded.length / soft.length;
  for (let i = 0; i < soft.length; i++) {
    design[i * columns] = soft[i]!;
    design[i * columns + 1] = top1[i]!;
  }
  return design;
}

function directionOf(design: Float64Array, targets: Float64Array): Direction {
  const columns = design.length / targets.length;
  const normal = new Float64Array(columns * columns);
  const right = new Float64Array(columns);
  for (let i = 0; i < targets.length; i++) {
    const row = design.subarray(i * columns, (i + 1) * columns);
    for (let j = 0; j < columns; j++) {
      const x = row[j]!;
      right[j]! += x * targets[i]!;
      for (let k = 0; k < columns; k++) normal[j * columns + k]! += x * row[k]!;
    }
  }
  return { design, targets, normal, right };
}

/** Ridge least squares over one direction or both. @returns one weight per column */
function fitRidge(directions: readonly Direction[], ridge: number): Float64Array {
  const columns = directions[0]!.right.length;
  const normal = new Float64Array(columns * columns);
  const right = new Float64Array(columns);
  let rows = 0;
  for (const direction of directions) {
    direction.normal.forEach((value, i) => {
      normal[i]! += value;
    });
    direction.right.forEach((value, i) => {
      right[i]! += value;
    });
    rows += direction.targets.length;
  }
  for (let j = 0; j < columns; j++) {
    normal[j * columns + j]! += rows * (j === 0 ? SOFT_RIDGE : ridge);
  }
  return solvePositiveDefinite(normal, right);
}

/** Each row's weighted sum. */
function applied(design: Float64Array, weights: Float64Array): Float64Array {
  const columns = weights.length;
  return Float64Array.from({ length: design.length / columns }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += weights[j]! * design[i * columns + j]!;
    return sum;
  });
}

function squaredError({ design, targets }: Direction, weights: Float64Array): number {
  return applied(design, weights).reduce((sum, value, i) => sum + (value - targets[i]!) ** 2, 0);
}

/** The ridge whose fit in each direction tells the other best: there, the chance that a half has in the effect of a feature does not pay. */
function chosenRidge(there: Direction, back: Direction): number {
  let best = { ridge: RIDGES[0]!, error: Number.POSITIVE_INFINITY };
  for (const ridge of RIDGES) {
    const error = squaredError(back, fitRidge([there], ridge)) + squaredError(there, fitRidge([back], ridge));
    if (error < best.error) best = { ridge, error };
  }
  return best.ridge;
}

/**
 * What each labeled network's top-1 is expected to be on other images of the kind: what a predictor is to learn.
 *
 * Top-1 on some thousand images ranks networks of nearly equal quality by chance: they differ on few images, and which those are is luck.
 * Soft top-1 tells the same networks apart far better, in a unit of its own. How it, top-1 and the architecture come together is fitted from one half
 * of the label images to top-1 on the other, in both directions, so that what a half has by chance does not pay: linear ridge least squares on
 * standardized columns, each half's mean taken out, as one half is harder than the other. Soft top-1 is not held down; the weights of the encoding (what soft
 * top-1 tells differently of, say, small images) and of top-1 itself (where soft top-1 tells nothing) are held down as far as tells best from the one
 * direction to the other. In the end all is brought to the scale of top-1.
 * @param labels at least one
 * @param encoding their encodings, row-major, equally long
 * @returns one fraction per label, of about the mean of the measured ones
 */
export function expectedTop1(labels: readonly ArchLabel[], encoding: Float32Array): Float64Array {
  const rows = labels.length;
  invariant(rows > 0 && encoding.length % rows === 0, () => `${encoding.length} values do not encode ${rows} labels`);
  const soft = [0, 1].map((half) => centered(labels.map((label) => label.soft[half]!)));
  const top1 = [0, 1].map((half) => centered(labels.map((label) => label.halves[half]!)));
  const [softScale, top1Scale] = [scaleOf(...soft), scaleOf(...top1)];
  const encoded = encodingColumns(encoding, rows);
  const designOf = (figures: (of: readonly Float64Array[]) => Float64Array): Float64Array =>
    withFigures(
      encoded,
      figures(soft).map((value) => value * softScale),
      figures(top1).map((value) => value * top1Scale),
    );
  const there = directionOf(
    designOf((of) => of[0]!),
    top1[1]!,
  );
  const back = directionOf(
    designOf((of) => of[1]!),
    top1[0]!,
  );
  const weights = fitRidge([there, back], chosenRidge(there, back));
  const whole = designOf(([first, second]) => first!.map((value, i) => (value + second![i]!) / 2));
  const expected = applied(whole, weights);
  const measured = labels.map((label) => label.top1);
  const slope = scaleAcross(there, back, weights, Math.sqrt(squares(centered(measured)) / squares(expected)));
  const mean = meanOf(measured);
  return expected.map((value) => Math.min(1, Math.max(0, mean + slope * value)));
}

/**
 * What brings expected deviations to the scale of top-1: the slope of top-1 on one half by what is expected from the other, freed of what chance in the
 * latter takes from it, as the halves' chances do not go together.
 * @param most that the measured deviations allow; not finite where nothing is expected to differ
 */
function scaleAcross(there: Direction, back: Direction, weights: Float64Array, most: number): number {
  const [first, second] = [applied(there.design, weights), applied(back.design, weights)];
  const slope = (product(first, there.targets) + product(second, back.targets)) / (2 * product(first, second));
  if (!Number.isFinite(most)) return 0;
  return Math.min(most, Number.isFinite(slope) && slope >= 0 ? slope : 1);
}

const product = (x: Float64Array, y: Float64Array): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
const squares = (x: Float64Array): number => product(x, x);
