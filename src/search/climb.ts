import type { Rng } from '../common/rng.js';
import { type Changes, combine } from './combine.js';
import { crossGenomes, type Genetics, type Genome, genomeKey, mutateGenome } from './genome.js';
import type { Limit } from './limits.js';
import type { Pool } from './pool.js';
import type { Scored, Scorer } from './scorer.js';
import { type Neighbor, neighbors } from './swaps.js';

/** Neighbors and combinations that one step scores at most; the first step of a climb scores every neighbor. */
const NEIGHBORS_SCORED = 40;
const COMBINATIONS_SCORED = 40;
/** Steps without a new best after which a climb ends; until then it goes on from the best that the step found, be it worse (Glover 1986). */
const MAX_FRUITLESS = 6;
/** Where climbs begin: at an elite genome this far from every peak, else between two peaks, or at one with this much of it redrawn. */
const ELITE_START_CHANCE = 0.2;
const MIN_DISTANCE = 5;
const CROSSING_CHANCE = 0.6;
const PEAK_PARENT_CHANCE = 0.7;
const KICK = 0.25;
const PEAKS_CROSSED = 10;
/** How often a climb begins on the front, to improve it at no more cost. */
const FRONT_START_CHANCE = 0.1;
/** A limit binds where less than this share of it is left; the front's slope is taken over as much of its costs. */
const BINDING_SHARE = 0.1;

/** Genomes to be scored before a climb goes on; `regardless`: also where they break a constraint. */
export interface Wanted {
  readonly genomes: readonly Genome[];
  readonly regardless: boolean;
}

export interface ClimbParts {
  readonly genetics: Genetics;
  readonly scorer: Scorer;
  readonly pool: Pool;
  readonly rng: Rng;
  readonly limits: readonly Limit[];
  /** The cost of the front, and the most of it that is of use now. */
  readonly axis: Limit['cost'];
  readonly ceiling: () => number;
  /** Brings a genome to the limits; undefined where that fails. */
  readonly fill: (genome: Genome) => Genome | undefined;
  /** What climbs side by side share: the peaks found, by descending score, and the centers seen. */
  readonly shared: { readonly peaks: Peak[]; readonly visited: Set<number> };
}

interface Peak {
  readonly genome: Genome;
  readonly score: number;
}

/** What each change gained around the center before, by gene and value: guesses for those that are not scored again. */
type Gains = ReadonlyMap<number, number>;
const changeKey = (gene: number, value: number): number => gene * 256 + value;

const isFar = (a: Genome, b: Genome): boolean => {
  let distance = 0;
  for (let gene = 0; gene < a.length; gene++) if (a[gene] !== b[gene]) distance++;
  return distance >= MIN_DISTANCE;
};

/** Score that the front gives per relative cost near its best: what a change has to be worth. */
function slopeOf({ elite, front }: Pool): number {
  const best = elite[0]!;
  let low = front[0] ?? best;
  for (const point of front) if (point.cost <= (1 - BINDING_SHARE) * best.cost) low = point;
  return best.cost > low.cost ? (Math.max(0, best.score - low.score) * best.cost) / (best.cost - low.cost) : 0;
}

/** What neighbors add to each limited cost, and what may be added. */
function standing(limits: readonly Limit[], around: readonly Neighbor[]): Pick<Changes, 'added' | 'slack'> {
  const rows = limits.map(({ cost }) => cost.of(around.map(({ genome }) => genome)));
  return {
    added: rows.map((row) => row.map((each) => each - row[0]!)),
    slack: limits.map(({ max }, index) => max - rows[index]![0]!),
  };
}

/** The price of each neighbor: what its cost would buy elsewhere, summed over the limits that bind. */
function pricesOf(limits: readonly Limit[], { added, slack }: Pick<Changes, 'added' | 'slack'>, slope: number) {
  const prices = new Float64Array(added[0]?.length ?? 0);
  limits.forEach(({ max }, limit) => {
    if (slack[limit]! > BINDING_SHARE * Math.abs(max)) return;
    for (let i = 0; i < prices.length; i++) prices[i] = prices[i]! + (slope * added[limit]![i]!) / Math.abs(max || 1);
  });
  return prices;
}

/** Around a center: its neighbors, and what they are guessed to gain from what was seen around the center before. */
function lookAround(genetics: Genetics, center: Genome, gains: Gains) {
  const around = neighbors(genetics, center);
  const guesses = around.map(({ gene, value }) => {
    const then = gains.get(changeKey(gene, value));
    return then === undefined ? undefined : then - (gains.get(changeKey(gene, center[gene]!)) ?? 0);
  });
  return { around, guesses };
}

function makeStart({ genetics, pool, rng, fill, shared }: ClimbParts): () => Genome | undefined {
  const { peaks, visited } = shared;
  const isVisited = (genome: Genome): boolean => visited.has(genomeKey(genetics, genome));
  const isNew = ({ genome }: Scored): boolean =>
    !isVisited(genome) && peaks.every((peak) => isFar(peak.genome, genome));
  const between = (): Genome | undefined => {
    if (peaks.length < 2) return undefined;
    const top = peaks.slice(0, PEAKS_CROSSED);
    const first = top[Math.floor(rng.next() ** 2 * top.length)]!;
    if (!rng.chance(CROSSING_CHANCE)) return fill(mutateGenome(genetics, first.genome, KICK, rng));
    const second = rng.chance(PEAK_PARENT_CHANCE) ? rng.pick(top) : pool.pickParents(rng).first;
    return fill(crossGenomes(genetics, first.genome, second.genome, rng));
  };
  return () => {
    const elite = rng.chance(ELITE_START_CHANCE) ? pool.elite.find(isNew)?.genome : undefined;
    const start = elite ?? between() ?? pool.pickParents(rng).first.genome;
    return isVisited(start) ? fill(mutateGenome(genetics, start, KICK, rng)) : start;
  };
}

/** The best of some genomes that have been scored. */
function bestScored({ scorer }: ClimbParts, genomes: readonly Genome[]): Peak | undefined {
  let best: Peak | undefined;
  for (const genome of genomes) {
    const score = scorer.scoreOf(genome);
    if (score !== undefined && (best === undefined || score > best.score)) best = { genome, score };
  }
  return best;
}

interface Step {
  readonly next: Peak | undefined;
  readonly gains: Gains;
}

/** One step: scores changes of the center one by one, then the combinations that they make promising. */
function* step(
  parts: ClimbParts,
  center: Peak,
  before: Gains,
  limits: readonly Limit[],
): Generator<Wanted, Step, void> {
  const { genetics, scorer, pool, shared } = parts;
  const { around, guesses } = lookAround(genetics, center.genome, before);
  const costs = standing(limits, around);
  const prices = pricesOf(limits, costs, slopeOf(pool));
  const worth = around.map((_, i) => (guesses[i] ?? Number.POSITIVE_INFINITY) - (prices[i] ?? 0)); // unknown ones come first
  const order = [...around.keys()].slice(1).sort((a, b) => worth[b]! - worth[a]! || a - b);
  const count = before.size === 0 ? around.length : NEIGHBORS_SCORED;
  yield { genomes: order.slice(0, count).map((i) => around[i]!.genome), regardless: true };
  const gains = Float64Array.from(around, ({ genome }, i) => {
    const score = scorer.scoreOf(genome);
    return score === undefined ? (guesses[i] ?? Number.NEGATIVE_INFINITY) : score - center.score;
  });
  const changes = { center: center.genome, neighbors: around, gains, ...costs };
  const combinations = combine(
    genetics,
    changes,
    COMBINATIONS_SCORED,
    (genome) => scorer.scoreOf(genome) !== undefined,
  );
  yield { genomes: combinations, regardless: false };
  const fits = (i: number): boolean => costs.slack.every((left, limit) => costs.added[limit]![i]! <= left);
  const singles = around.filter((each, i) => i > 0 && fits(i) && !shared.visited.has(genomeKey(genetics, each.genome)));
  const single = bestScored(
    parts,
    singles.map(({ genome }) => genome),
  );
  const combined = bestScored(parts, combinations);
  const isSingleBetter = single !== undefined && single.score > Math.max(center.score, combined?.score ?? center.score);
  return {
    next: isSingleBetter ? single : combined,
    gains: new Map(around.map(({ gene, value }, i) => [changeKey(gene, value), gains[i]!])),
  };
}

/** Climbs from a center until nothing better is found for some steps. @returns the best seen */
function* climbFrom(parts: ClimbParts, start: Peak, ownCeiling: number): Generator<Wanted, Peak, void> {
  const { genetics, limits, axis, ceiling, shared } = parts;
  let center = start;
  let peak = start;
  let gains: Gains = new Map();
  for (let fruitless = 0; fruitless <= MAX_FRUITLESS; ) {
    shared.visited.add(genomeKey(genetics, center.genome));
    const max = Math.min(ownCeiling, ceiling());
    const within = Number.isFinite(max) ? [...limits, { cost: axis, max }] : limits;
    const found: Step = yield* step(parts, center, gains, within);
    if (found.next === undefined) break;
    fruitless = found.next.score > peak.score ? 0 : fruitless + 1;
    if (found.next.score > peak.score) peak = found.next;
    center = found.next;
    gains = found.gains;
  }
  return peak;
}

/**
 * Climbs without end, from peak to peak: each climb begins at an elite genome that is unlike every peak, between two peaks, or beside one.
 * What it yields has to be scored before it is asked to go on.
 */
export function* climbs(parts: ClimbParts): Generator<Wanted, never, void> {
  const { pool, rng, scorer, shared } = parts;
  const startGenome = makeStart(parts);
  for (;;) {
    const onFront = rng.chance(FRONT_START_CHANCE) ? rng.pick(pool.front) : undefined;
    const genome = onFront?.genome ?? startGenome();
    yield { genomes: genome === undefined ? [] : [genome], regardless: false };
    const score = genome === undefined ? undefined : scorer.scoreOf(genome);
    if (genome === undefined || score === undefined) continue;
    const peak: Peak = yield* climbFrom(parts, { genome, score }, onFront?.cost ?? Number.POSITIVE_INFINITY);
    if (onFront !== undefined) continue; // best at its own cost, not a peak of the whole problem
    shared.peaks.push(peak);
    shared.peaks.sort((a, b) => b.score - a.score);
  }
}
