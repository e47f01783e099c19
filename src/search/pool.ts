import type { Rng } from '../common/rng.js';
import { paretoFront } from './pareto.js';
import type { Scored } from './scorer.js';

/** Best architectures that are kept as parents: enough that they stay different from each other. */
const ELITE_SIZE = 500;
/** Most candidates on the front; beyond it those that add the least area go. */
const FRONT_LIMIT = 1_000;
/** How often a parent comes from the front and not from the best. */
const FRONT_PARENT_CHANCE = 0.2;

/** What a search holds on to: its best architectures and its front. Mutable: `absorb` changes it. */
export interface Pool {
  /** By descending score. */
  readonly elite: readonly Scored[];
  /** By ascending cost, none dominated. */
  readonly front: readonly Scored[];
  absorb(scored: readonly Scored[]): void;
  /** A parent: mostly from the elite, the better the likelier. The pool must not be empty. */
  pickParent(rng: Rng): Scored;
}

/** Drops the inner points that add the least area to the front; the ends stay. */
function thinned(front: readonly Scored[]): Scored[] {
  const areaOf = (index: number): number => {
    const [before, here, after] = [front[index - 1], front[index], front[index + 1]];
    if (before === undefined || here === undefined || after === undefined) return Number.POSITIVE_INFINITY;
    return (here.score - before.score) * (after.cost - here.cost);
  };
  const kept = front
    .map((_, index) => ({ index, area: areaOf(index) }))
    .sort((a, b) => b.area - a.area || a.index - b.index)
    .slice(0, FRONT_LIMIT);
  return kept.sort((a, b) => a.index - b.index).map(({ index }) => front[index]!);
}

/** An empty pool. */
export function makePool(): Pool {
  let elite: Scored[] = [];
  let front: Scored[] = [];
  return {
    get elite() {
      return elite;
    },
    get front() {
      return front;
    },
    absorb: (scored) => {
      if (scored.length === 0) return;
      elite = [...elite, ...scored].sort((a, b) => b.score - a.score || a.cost - b.cost).slice(0, ELITE_SIZE);
      const grown = paretoFront([...front, ...scored]);
      front = grown.length > FRONT_LIMIT ? thinned(grown) : grown;
    },
    pickParent: (rng) => {
      if (rng.chance(FRONT_PARENT_CHANCE)) return rng.pick(front);
      return elite[Math.floor(rng.next() ** 2 * elite.length)]!; // squared: favours the best
    },
  };
}
