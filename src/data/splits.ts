import { BespokeError } from '../common/errors.js';
import { assertNever, invariant } from '../common/invariant.js';
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
  const byClass = membersOf(labels);
  const counts = byClass.map((members) => members.length);
  const selectionQuota = quotas(counts, sizes.selection);
  const verificationQuota = quotas(counts, sizes.verification);
  return dealt(byClass, seed, (label) => ({
    selection: selectionQuota[label]!,
    verification: verificationQuota[label]!,
  }));
}

/** Indices of each class's images, ascending; classes without any of the highest number are left out. */
function membersOf(labels: Uint8Array): number[][] {
  const byClass: number[][] = [];
  for (const [index, label] of labels.entries()) {
    while (byClass.length <= label) byClass.push([]);
    byClass[label]!.push(index);
  }
  return byClass;
}

/** Deals the images of every class out in random order: so many to selection, so many to verification, the rest to training. */
function dealt(
  byClass: readonly (readonly number[])[],
  seed: number,
  quotaOf: (label: number) => Pick<Record<keyof Splits, number>, 'selection' | 'verification'>,
): Splits {
  const rng = makeRng(seed).fork('split');
  const selection: number[] = [];
  const verification: number[] = [];
  const train: number[] = [];
  for (const [label, members] of byClass.entries()) {
    const order = shuffled(members, rng.fork(label));
    const quota = quotaOf(label);
    for (const [place, index] of order.entries()) {
      if (place < quota.selection) selection.push(index);
      else (place < quota.selection + quota.verification ? verification : train).push(index);
    }
  }
  const ascending = (indices: number[]): number[] => indices.sort((a, b) => a - b);
  return { train: ascending(train), selection: ascending(selection), verification: ascending(verification) };
}

/** How a split is made, as data: equal plans of equal labels give equal splits. */
export type SplitPlan =
  /** The shipped bundle's: counts over all classes. */
  | { readonly by: 'count'; readonly seed: number; readonly selection: number; readonly verification: number }
  /** A share of every class, 0..1, half of it for selection and half for verification. */
  | { readonly by: 'share'; readonly seed: number; readonly heldOut: number }
  /** The data's own validation part, half of every class for selection and half for verification. */
  | { readonly by: 'folder'; readonly seed: number };

/** Largest selection and verification parts of a split by share: more images cost time and bytes, and tell little more. */
const MOST_SELECTION = 5_000;
const MOST_VERIFICATION = 2_000;
/** Images that a class needs where one has to go to each part. */
const PARTS = 3;

/** Labels to split, and what a class is called in an error. */
export interface LabeledPool {
  readonly labels: Uint8Array;
  readonly classNames: readonly string[];
  /** Where the data's own validation part begins. */
  readonly validationStart?: number;
}

function requireImages(pool: LabeledPool, byClass: readonly (readonly number[])[], least: number, part: string): void {
  const few = pool.classNames.flatMap((name, label) => {
    const count = byClass[label]?.length ?? 0;
    return count >= least ? [] : [`${name} (${count})`];
  });
  if (few.length === 0) return;
  const shown = 10; // more would bury the sentence
  const rest = few.length > shown ? ` and ${few.length - shown} more` : '';
  throw new BespokeError(
    'invalid-request',
    `every class needs at least ${least} ${part}; too few are of ${few.slice(0, shown).join(', ')}${rest}`,
  );
}

function splitByShare(pool: LabeledPool, seed: number, heldOut: number): Splits {
  const byClass = membersOf(pool.labels);
  requireImages(pool, byClass, PARTS, 'images, one to train on and two to hold out');
  const half = (heldOut * pool.labels.length) / 2;
  const quota = (count: number, most: number): number => {
    const wanted = Math.round((count / pool.labels.length) * Math.min(half, most));
    return Math.max(1, Math.min(wanted, Math.floor((count - 1) / 2)));
  };
  return dealt(byClass, seed, (label) => {
    const count = byClass[label]!.length;
    return { selection: quota(count, MOST_SELECTION), verification: quota(count, MOST_VERIFICATION) };
  });
}

function splitByFolder(pool: LabeledPool, seed: number, start: number): Splits {
  requireImages(pool, membersOf(pool.labels.subarray(0, start)), 1, 'training images');
  const held = membersOf(pool.labels.subarray(start));
  requireImages(pool, held, 2, 'validation images, one to select by and one to verify with');
  const { selection, verification } = dealt(held, seed, (label) => {
    const half = held[label]!.length >> 1;
    return { selection: held[label]!.length - half, verification: half };
  });
  const shifted = (indices: readonly number[]): number[] => indices.map((index) => start + index);
  return {
    train: Array.from({ length: start }, (_, index) => index),
    selection: shifted(selection),
    verification: shifted(verification),
  };
}

/**
 * Splits a pool of labeled images as a plan says, stratified by class. A small class keeps at least one image in each part.
 * @throws BespokeError `invalid-request` naming the classes that have too few images
 */
export function splitPool(pool: LabeledPool, plan: SplitPlan): Splits {
  switch (plan.by) {
    case 'count':
      return splitTrainValidation(pool.labels, plan.seed, plan);
    case 'share':
      return splitByShare(pool, plan.seed, plan.heldOut);
    case 'folder':
      invariant(pool.validationStart !== undefined, () => 'a split by folder needs a validation part');
      return splitByFolder(pool, plan.seed, pool.validationStart);
    default:
      return assertNever(plan);
  }
}

/** The shipped bundle's split of Fashion-MNIST. */
export const FASHION_MNIST_PLAN: SplitPlan = {
  by: 'count',
  seed: SPLIT_SEED,
  selection: SELECTION_COUNT,
  verification: VERIFICATION_COUNT,
};
