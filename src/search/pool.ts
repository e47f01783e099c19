import type { Rng } from '../common/rng.js';
import { paretoFront } from './pareto.js';
import type { Ingredient } from './result.js';
import type { Scored } from './scorer.js';

/** Best architectures that are kept as parents: enough that they stay different from each other. */
const ELITE_SIZE = 500;
/** Most candidates on the front; beyond it those that add the least area go. */
const FRONT_LIMIT = 1_000;
/** How often parents come from the front, and how often from the best of one resolution, and not from the best of all. */
const FRONT_PARENT_CHANCE = 0.2;
const NICHE_PARENT_CHANCE = 0.2;
/** Best architectures kept per resolution: resolutions that lag behind are not forgotten before they are worked out. */
const NICHE_SIZE = 50;

/** Two parents; where the first is of the front, what a child may cost along its axis to improve on it. */
export interface Parents {
  readonly first: Scored;
  readonly second: Scored;
  readonly ceiling: number;
}

/** What a search holds on to: its best architectures and its front. Mutable: `absorb` changes it. */
export interface Pool {
  /** By descending merit. */
  readonly elite: readonly Scored[];
  /** By ascending cost, none dominated. */
  readonly front: readonly Scored[];
  absorb(scored: readonly Scored[]): void;
  /** The best of one resolution, drawn uniformly, by descending merit. The pool must not be empty. */
  pickNiche(rng: Rng): readonly Scored[];
  /** Two parents: mostly from the elite, the better the likelier. The pool must not be empty. */
  pickParents(rng: Rng): Parents;
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

/** The first index of a list at which `isPast` holds; it must hold from there on. */
function firstWhere(length: number, isPast: (index: number) => boolean): number {
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

/** One of a list by descending merit; squaring favors the first. */
function pickRanked(list: readonly Scored[], rng: Rng): Scored {
  return list[Math.floor(rng.next() ** 2 * list.length)]!;
}

/** What is better has more of it. */
export type Merit = (scored: Scored) => number;

/** An empty pool. @param merit by which the elite is chosen: the score, or less where the goal is another */
export function makePool(merit: Merit, without: readonly Ingredient[] = []): Pool {
  const frontChance = without.includes('frontParents') ? 0 : FRONT_PARENT_CHANCE;
  const nicheChance = without.includes('niches') ? 0 : NICHE_PARENT_CHANCE;
  const isAhead = (a: Scored, b: Scored): boolean => merit(a) > merit(b) || (merit(a) === merit(b) && a.cost < b.cost);
  const elite: Scored[] = [];
  const niches = new Map<number, Scored[]>();
  let front: readonly Scored[] = [];
  const insert = (list: Scored[], scored: Scored, size: number): void => {
    const last = list[list.length - 1];
    if (list.length === size && last !== undefined && !isAhead(scored, last)) return;
    list.splice(
      firstWhere(list.length, (index) => isAhead(scored, list[index]!)),
      0,
      scored,
    );
    if (list.length > size) list.pop();
  };
  const pickNiche = (rng: Rng): readonly Scored[] => rng.pick([...niches.values()]);
  return {
    elite,
    get front() {
      return front;
    },
    absorb: (scored) => {
      for (const each of scored) {
        insert(elite, each, ELITE_SIZE);
        const niche = niches.get(each.arch.resolution) ?? [];
        if (niche.length === 0) niches.set(each.arch.resolution, niche);
        insert(niche, each, NICHE_SIZE);
      }
      const better = scored.filter((each) => !isCovered(front, each));
      if (better.length === 0) return;
      const grown = paretoFront([...front, ...better]);
      front = grown.length > FRONT_LIMIT ? thinned(grown) : grown;
    },
    pickNiche,
    pickParents: (rng) => {
      const draw = rng.next();
      if (draw < frontChance) {
        const at = rng.int(front.length);
        const second = front[Math.max(0, Math.min(front.length - 1, at + rng.int(7) - 3))]!; // one nearby
        return { first: front[at]!, second, ceiling: front[at]!.cost };
      }
      const from = draw < frontChance + nicheChance ? pickNiche(rng) : elite;
      return { first: pickRanked(from, rng), second: pickRanked(from, rng), ceiling: Number.POSITIVE_INFINITY };
    },
  };
}
