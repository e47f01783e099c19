import type { Arch } from '../space/types.js';

/** Earlier fronts that a search begins with, at most: the newest ones. */
export const EARLIER_FRONTS = 4;
/** Most of a search's evaluations that go to architectures which others found, as a share. */
const MOST_SHARE = 0.2;
/** Architectures of one front, at most. */
const PER_FRONT = 200;

/** `count` of a list, spread over it, both ends among them. */
export function spreadOver<T>(list: readonly T[], count: number): readonly T[] {
  if (list.length <= count) return list;
  if (count === 1) return list.slice(-1);
  return Array.from({ length: count }, (_, i) => list[Math.round((i * (list.length - 1)) / (count - 1))] as T); // i < count
}

/**
 * The architectures that a search begins with: of each earlier front as many, spread over it, so that a fifth of the evaluations is spent
 * on them at most.
 * @param fronts ascending in cost, the newest first
 */
export function warmArchs(fronts: readonly (readonly Arch[])[], evaluations: number): readonly Arch[] {
  const used = fronts.slice(0, EARLIER_FRONTS);
  if (used.length === 0) return [];
  const each = Math.min(PER_FRONT, Math.floor((MOST_SHARE * evaluations) / used.length));
  return each < 1 ? [] : used.flatMap((front) => spreadOver(front, each));
}
