import { solvePositiveDefinite } from '../../common/linear-system.js';
import type { ArchLabel } from './label.js';

/** Keeps the fit defined where features depend on each other, as one-hot encodings do; a share of the rows. */
const RIDGE = 1e-4;

/** Subtracts its mean from each of the `columns` of a row-major matrix and divides by its standard deviation; constant columns become 0. In place. */
function standardize(matrix: Float64Array, columns: number): void {
  const rows = matrix.length / columns;
  for (let j = 0; j < columns; j++) {
    let sum = 0;
    for (let i = j; i < matrix.length; i += columns) sum += matrix[i]!;
    const mean = sum / rows;
    let squares = 0;
    for (let i = j; i < matrix.length; i += columns) squares += (matrix[i]! - mean) ** 2;
    const deviation = Math.sqrt(squares / rows);
    const scale = deviation > 1e-12 ? 1 / deviation : 0;
    for (let i = j; i < matrix.length; i += columns) matrix[i] = (matrix[i]! - mean) * scale;
  }
}

/**
 * What each labeled network's top-1 is expected to be on other images of the kind: what a predictor is to learn.
 *
 * Top-1 on some thousand images ranks networks of nearly equal quality by chance: they differ on few images, and which those are is luck.
 * Soft top-1 tells the same networks apart far better, in a unit of its own. How it, top-1 and the architecture come together is fitted across
 * the halves of the label images: from the figures on one half (and the encoding) to top-1 on the other, in both directions, so that what a half
 * has by chance does not pay. The fit is linear least squares on standardized columns, each half's mean taken out, as one half is harder than the other.
 * Where labels are few the fit follows them, and the expected top-1 is about the measured one.
 * @param labels at least one
 * @param encoding their encodings, row-major, equally long
 * @returns one fraction per label; the mean is that of the measured ones
 */
export function expectedTop1(labels: readonly ArchLabel[], encoding: Float32Array): Float64Array {
  const rows = labels.length;
  const features = encoding.length / rows;
  const columns = features + 2;
  /** Standardized columns of one half's figures, or of their means. */
  const designOf = (figures: (label: ArchLabel) => readonly [soft: number, top1: number]): Float64Array => {
    const design = new Float64Array(rows * columns);
    labels.forEach((label, i) => {
      design.set(figures(label), i * columns);
      design.set(encoding.subarray(i * features, (i + 1) * features), i * columns + 2);
    });
    standardize(design, columns);
    return design;
  };
  const normal = new Float64Array(columns * columns);
  const right = new Float64Array(columns);
  const meanOf = (half: 0 | 1): number => labels.reduce((sum, { halves }) => sum + halves[half], 0) / rows;
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const design = designOf(({ soft, halves }) => [soft[from], halves[from]]);
    const mean = meanOf(to);
    labels.forEach(({ halves }, i) => {
      const row = design.subarray(i * columns, (i + 1) * columns);
      const target = halves[to] - mean;
      for (let j = 0; j < columns; j++) {
        const x = row[j]!;
        if (x === 0) continue;
        right[j]! += x * target;
        for (let k = 0; k < columns; k++) normal[j * columns + k]! += x * row[k]!;
      }
    });
  }
  for (let j = 0; j < columns; j++) normal[j * columns + j]! += RIDGE * 2 * rows;
  const weights = solvePositiveDefinite(normal, right);
  const design = designOf(({ soft, halves }) => [(soft[0] + soft[1]) / 2, (halves[0] + halves[1]) / 2]);
  const mean = labels.reduce((sum, { top1 }) => sum + top1, 0) / rows;
  return Float64Array.from(labels, (_, i) => {
    let expected = mean;
    for (let j = 0; j < columns; j++) expected += weights[j]! * design[i * columns + j]!;
    return expected;
  });
}
