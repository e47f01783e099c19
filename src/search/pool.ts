import type { Scored } from './scorer.js';

/** Most candidates on the front; beyond it those that add the least area go. */
const FRONT_LIMIT = 1_000;

/** What a search holds on to: its best architecture and its front. Mutable: `absorb` changes it. */
export interface Pool {
  /** Of the highest merit; undefined before anything was absorbed. */
  readonly best: Scored | undefined;
  /** By ascending cost, none dominated; what is absorbed later changes it. */
  readonly front: readonly Scored[];
  absorb(scored: readonly Scored[]): void;
}

/** Drops the inner points that add the least area to the front; the ends and the best stay. */
function thinned(front: readonly Scored[], best: Scored | undefined): Scored[] {
  const areaOf = (index: number): number => {
    const [before, here, after] = [front[index - 1], front[index], front[index + 1]];
    if (before === undefined || here === undefined || after === undefined || here === best)
      return Number.POSITIVE_INFINITY;
    return (here.score - before.score) * (after.cost - here.cost);
  };
  const kept = front
    .map((_, index) => ({ index, area: areaOf(index) }))
    .sort((a, b) => b.area - a.area || a.index - b.index)
    .slice(0, FRONT_LIMIT);
  return kept.sort((a, b) => a.index - b.index).map(({ index }) => front[index]!);
}

/** The first index of a list at which `isPast` holds; it must hold from there on. */
export function firstWhere(length: number, isPast: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isPast(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Takes a point into a front, unless another is as good and costs no more; those that it dominates go. */
function insert(front: Scored[], point: Scored): void {
  const { score, cost } = point;
  const after = firstWhere(front.length, (index) => front[index]!.cost > cost);
  let from = after;
  if (from > 0 && !(front[from - 1]!.score < score)) return; // scores ascend with costs
  if (from > 0 && front[from - 1]!.cost === cost) from--;
  let to = after;
  while (to < front.length && front[to]!.score <= score) to++;
  front.splice(from, to - from, point);
}

/** What is better has more of it. */
export type Merit = (scored: Scored) => number;

class SearchPool implements Pool {
  readonly #merit: Merit;
  #highest = Number.NEGATIVE_INFINITY;
  best: Scored | undefined;
  front: Scored[] = [];

  constructor(merit: Merit) {
    this.#merit = merit;
  }

  absorb(scored: readonly Scored[]): void {
    for (const each of scored) {
      const merit = this.#merit(each);
      if (this.best === undefined || merit > this.#highest || (merit === this.#highest && each.cost < this.best.cost)) {
        this.best = each;
        this.#highest = merit;
      }
      insert(this.front, each);
    }
    if (this.front.length > FRONT_LIMIT) this.front = thinned(this.front, this.best);
  }
}

/** An empty pool. @param merit by which the best is chosen: the score, or less where the goal is another */
export const makePool = (merit: Merit): Pool => new SearchPool(merit);
