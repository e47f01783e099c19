import type { Rng } from '../common/rng.js';
import { paretoFront } from './pareto.js';
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

/** What a search holds on to: its best architectures and its front. Mutable: `absorb` changes it. */
export interface Pool {
  /** By descending score. */
  readonly elite: readonly Scored[];
  /** By ascending cost, none dominated. */
  readonly front: readonly Scored[];
  absorb(scored: readonly Scored[]): void;
  /** The best of one resolution, drawn uniformly, by descending score. The pool must not be empty. */
  pickNiche(rng: Rng): readonly Scored[];
  /** Two parents: mostly from the elite, the better the likelier. The pool must not be empty. */
  pickParents(rng: Rng): readonly [Scored, Scored];
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

/** The best of two lists, by descending score. */
function best(known: readonly Scored[], scored: readonly Scored[], size: number): Scored[] {
  return [...known, ...scored].sort((a, b) => b.score - a.score || a.cost - b.cost).slice(0, size);
}

/** One of a list by descending score; squaring favors the first. */
function pickRanked(list: readonly Scored[], rng: Rng): Scored {
  return list[Math.floor(rng.next() ** 2 * list.length)]!;
}

/** An empty pool. */
export function makePool(): Pool {
  let elite: readonly Scored[] = [];
  let front: readonly Scored[] = [];
  const niches = new Map<number, readonly Scored[]>();
  const pickNiche = (rng: Rng): readonly Scored[] => rng.pick([...niches.values()]);
  return {
    get elite() {
      return elite;
    },
    get front() {
      return front;
    },
    absorb: (scored) => {
      if (scored.length === 0) return;
      elite = best(elite, scored, ELITE_SIZE);
      for (const resolution of new Set(scored.map(({ arch }) => arch.resolution))) {
        const members = scored.filter(({ arch }) => arch.resolution === resolution);
        niches.set(resolution, best(niches.get(resolution) ?? [], members, NICHE_SIZE));
      }
      const grown = paretoFront([...front, ...scored]);
      front = grown.length > FRONT_LIMIT ? thinned(grown) : grown;
    },
    pickNiche,
    pickParents: (rng) => {
      const draw = rng.next();
      if (draw < FRONT_PARENT_CHANCE) return [rng.pick(front), pickRanked(elite, rng)];
      const from = draw < FRONT_PARENT_CHANCE + NICHE_PARENT_CHANCE ? pickNiche(rng) : elite;
      return [pickRanked(from, rng), pickRanked(from, rng)];
    },
  };
}
