import { invariant } from '../common/invariant.js';

/**
 * Label-smoothed one-hot rows: 1 - smoothing + smoothing / classes at the label, smoothing / classes elsewhere.
 * @param labels class of each row
 * @returns float32 `[labels.length, classes]`, rows sum to 1
 * Source: Szegedy et al. 2016, section 7
 */
export function smoothedTargets(labels: ArrayLike<number>, classes: number, smoothing: number): Float32Array {
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    invariant(label < classes, () => `label ${label} of ${classes} classes`);
    targets[row * classes + label] = 1 - smoothing + smoothing / classes;
  }
  return targets;
}

/** Row-wise softmax of `[rows, classes]` logits, stable for large values. */
export function softmaxRows(logits: Float32Array, classes: number): Float32Array {
  const out = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    let max = Number.NEGATIVE_INFINITY;
    for (let i = start; i < start + classes; i++) max = Math.max(max, logits[i]!);
    let sum = 0;
    for (let i = start; i < start + classes; i++) {
      const value = Math.exp(logits[i]! - max);
      out[i] = value;
      sum += value;
    }
    for (let i = start; i < start + classes; i++) out[i] = out[i]! / sum;
  }
  return out;
}

/**
 * Targets of a student: `(1 - kdRatio)` of the labels' distribution and `kdRatio` of the teacher's softmax.
 * The cross-entropy to this mix is the same mix of the two cross-entropies, as it is linear in its target.
 * @param kdRatio 0..1
 */
export function distillationTargets(hard: Float32Array, teacher: Float32Array, kdRatio: number): Float32Array {
  invariant(hard.length === teacher.length, () => `${hard.length} targets for ${teacher.length} teacher values`);
  return hard.map((value, i) => (1 - kdRatio) * value + kdRatio * teacher[i]!);
}

/** How many rows of `[rows, classes]` logits have their largest value at the label; the first of equal values counts. */
export function countCorrect(logits: Float32Array, labels: ArrayLike<number>, classes: number): number {
  let correct = 0;
  for (let row = 0; row < labels.length; row++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[row * classes + c]! > logits[row * classes + best]!) best = c;
    if (best === labels[row]) correct++;
  }
  return correct;
}
