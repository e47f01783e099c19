import { paretoFront } from './pareto.js';
import type { Scored } from './scorer.js';

/** Most candidates on the front; beyond it those that add the least area go. */
const FRONT_LIMIT = 1_000;

/** What a search holds on to: its best architecture and its front. Mutable: `absorb` changes it. */
export interface Pool {
  /** Of the highest merit; undefined before anything was absorbed. */
  readonly best: Scored | undefined;
  /** By ascending cost, none dominated. */
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

/** Whether a front has a point that is as good and costs no more. */
function isCovered(front: readonly Scored[], { score, cost }: Scored): boolean {
  const after = firstWhere(front.length, (index) => front[index]!.cost > cost);
  return after > 0 && front[after - 1]!.score >= score; // scores ascend with costs
}

/** What is better has more of it. */
export type Merit = (scored: Scored) => number;

class SearchPool implements Pool {
  readonly #merit: Merit;
  #highest = Number.NEGATIVE_INFINITY;
  best: Scored | undefined;
  front: readonly Scored[] = [];

  constructor(merit: Merit) {
    this.#merit = merit;
  }

  absorb(scored: readonly Scored[]): void {
    const better: Scored[] = [];
    for (const each of scored) {
      const merit = this.#merit(each);
      if (this.best === undefined || merit > this.#highest || (merit === this.#highest && each.cost < this.best.cost)) {
        this.best = each;
        this.#highest = merit;
      }
      if (!isCovered(this.front, each)) better.push(each);
    }
    if (better.length === 0) return;
    const grown = paretoFront([...this.front, ...better]);
    this.front = grown.length > FRONT_LIMIT ? thinned(grown, this.best) : grown;
  }
}

/** An empty pool. @param merit by which the best is chosen: the score, or less where the goal is another */
export const makePool = (merit: Merit): Pool => new SearchPool(merit);
