import { invariant } from '../common/invariant.js';
import { makeRng, shuffled } from '../common/rng.js';

/** Disjoint index lists into the training images, each ascending. Test images are never among them. */
export interface Splits {
  /** What weights are trained on and batch normalisation is calibrated on. */
  readonly train: readonly number[];
  /** What predictor labels are measured on and nets are chosen by. */
  readonly selection: readonly number[];
  /** What the measured top-1 of a delivered net is taken on; ships with the bundle. */
  readonly verification: readonly number[];
}

/** Images of the 60,000 that are held out for selection. */
export const SELECTION_COUNT = 3_000;
/** Images that are held out for verification. */
const VERIFICATION_COUNT = 2_000;
/** The seed of the shipped bundle's split; changing it would leak verification images into training. */
export const SPLIT_SEED = 2020;

/** How many of `share` items each class gives: proportional, largest remainders first, ties to the lower class. */
function quotas(classCounts: readonly number[], share: number): number[] {
  const total = classCounts.reduce((sum, count) => sum + count, 0);
  const exact = classCounts.map((count) => (count * share) / total);
  const taken = exact.map(Math.floor);
  const order = exact.map((_, i) => i).sort((a, b) => (exact[b]! % 1) - (exact[a]! % 1) || a - b);
  const missing = share - taken.reduce((sum, count) => sum + count, 0);
  for (const i of order.slice(0, missing)) taken[i] = taken[i]! + 1;
  return taken;
}

/**
 * Splits training images into train, selection and verification, stratified by class.
 * @param labels class of every training image
 * @param seed the same seed and labels give the same split
 * @param sizes held-out counts; 3,000 and 2,000 unless told, which leaves 55,000 of 60,000
 */
export function splitTrainValidation(
  labels: Uint8Array,
  seed: number,
  sizes: { readonly selection: number; readonly verification: number } = {
    selection: SELECTION_COUNT,
    verification: VERIFICATION_COUNT,
  },
): Splits {
  const held = sizes.selection + sizes.verification;
  invariant(held < labels.length, () => `${held} held-out images leave none of ${labels.length} to train on`);
  const rng = makeRng(seed).fork('split');
  const byClass: number[][] = [];
  for (const [index, label] of labels.entries()) {
    while (byClass.length <= label) byClass.push([]);
    byClass[label]!.push(index);
  }
  const counts = byClass.map((members) => members.length);
  const selectionQuota = quotas(counts, sizes.selection);
  const verificationQuota = quotas(counts, sizes.verification);
  const selection: number[] = [];
  const verification: number[] = [];
  const train: number[] = [];
  for (const [label, members] of byClass.entries()) {
    const order = shuffled(members, rng.fork(label));
    const first = selectionQuota[label]!;
    const second = first + verificationQuota[label]!;
    selection.push(...order.slice(0, first));
    verification.push(...order.slice(first, second));
    train.push(...order.slice(second));
  }
  const ascending = (indices: number[]): number[] => indices.sort((a, b) => a - b);
  return { train: ascending(train), selection: ascending(selection), verification: ascending(verification) };
}
