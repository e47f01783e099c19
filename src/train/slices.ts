import { invariant } from '../common/invariant.js';
import { sizeOf } from '../tensor/tensor.js';

/**
 * How the active part of a parameter lies in its full tensor: `active[i]` leading entries of every dim i,
 * which is a list of equally long runs of neighbouring elements.
 */
export interface SlicePlan {
  /** Elements per run. */
  readonly run: number;
  /** Where each run starts in the full tensor. */
  readonly starts: Int32Array;
  /** Elements of the active part. */
  readonly size: number;
}

/**
 * Plans the leading slice `active` of a tensor `full`.
 * @param full dims of the stored parameter
 * @param active dims of the same rank, each 1..full
 */
export function planSlice(full: readonly number[], active: readonly number[]): SlicePlan {
  const fits = full.length === active.length && active.every((dim, i) => dim >= 1 && dim <= full[i]!);
  invariant(fits, () => `[${active.join(', ')}] is no leading slice of [${full.join(', ')}]`);
  let last = full.length - 1; // the last dim that is cut; all after it are whole, so a run spans them
  while (last > 0 && active[last] === full[last]) last--;
  const run = sizeOf(active.slice(last));
  let starts: number[] = [0];
  for (let axis = 0; axis < last; axis++) {
    const stride = sizeOf(full.slice(axis + 1));
    starts = starts.flatMap((start) => Array.from({ length: active[axis]! }, (_, i) => start + i * stride));
  }
  return { run, starts: Int32Array.from(starts), size: run * starts.length };
}

/** True if the slice is the first `size` elements of the full tensor, so that a view does and no copy is needed. */
export function isPrefix(plan: SlicePlan): boolean {
  return plan.starts.length === 1;
}

/** Copies the slice of the full tensor at `offset` of `flat` into `out`, in place. */
export function gatherSlice(plan: SlicePlan, flat: Float32Array, offset: number, out: Float32Array): void {
  const { run, starts } = plan;
  let to = 0;
  for (let r = 0; r < starts.length; r++) {
    const from = offset + starts[r]!;
    for (let i = 0; i < run; i++) out[to++] = flat[from + i]!;
  }
}

/** Adds a slice's values to their places in the full tensor at `offset` of `flat`, in place. */
export function scatterAddSlice(plan: SlicePlan, values: Float32Array, flat: Float32Array, offset: number): void {
  const { run, starts } = plan;
  let from = 0;
  for (let r = 0; r < starts.length; r++) {
    const to = offset + starts[r]!;
    for (let i = 0; i < run; i++) flat[to + i] = flat[to + i]! + values[from++]!;
  }
}
