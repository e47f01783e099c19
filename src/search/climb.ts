import { withAllowedBlocks } from './block-peaks.js';
import { crossGenomes, type Genome, type Keyed, keyed, mutateGenome } from './genome.js';
import type { Guess } from './guess.js';
import type { KeyTable } from './key-table.js';
import type { Limit } from './limits.js';
import { firstWhere } from './pool.js';
import { ceilingOf, type Run } from './run.js';

/** Steps in a row without a new best after which a climb ends; until then it goes on from the best that the step found, be it worse (Glover 1986). */
const MAX_FRUITLESS = 4;
/** Where climbs begin: between two of the highest peaks, or at one with this much of it redrawn. */
const CROSSING_CHANCE = 0.6;
const KICK = 0.2;
const PEAKS_KEPT = 20;
/** How often a climb begins on the front at the end of the evaluations, to improve it there; none does at first. */
const FRONT_CHANCE = 0.6;
/** How often such a climb begins at the point that costs more than it may, and not at the one that costs less. */
const DEARER_CHANCE = 0.5;

/** What the climbs of a search share. Mutable. */
export interface Peaks {
  /** The highest peaks, by descending score. */
  readonly highest: Keyed[];
  /** Keys of genomes that were centers. */
  readonly visited: KeyTable;
  /** Where the first climbs begin, the last one first. */
  readonly starts: Keyed[];
}

/** A climb under way. Mutable. */
export interface Climb {
  /** Where it stands, undefined before it begins; where it began, a genome may break limits. */
  center: Keyed | undefined;
  /** The most that it may cost along the front's axis. */
  ceiling: number;
  best: Keyed | undefined;
  fruitless: number;
}

/** A climb that has not begun. */
export const idleClimb = (): Climb => ({
  center: undefined,
  ceiling: Number.POSITIVE_INFINITY,
  best: undefined,
  fruitless: 0,
});

/** A genome between two of the highest peaks, or beside one. */
function beside({ genetics, rng, isLeftOut }: Run, { highest }: Peaks, fallback: Genome): Genome {
  if (isLeftOut('peaks')) return mutateGenome(genetics, fallback, 1, rng); // every gene drawn anew
  const first = highest[Math.floor(rng.next() ** 2 * highest.length)]; // squaring favors the first
  if (first === undefined) return mutateGenome(genetics, fallback, KICK, rng);
  return rng.chance(isLeftOut('crossing') ? 0 : CROSSING_CHANCE)
    ? crossGenomes(genetics, first.genome, rng.pick(highest).genome, rng)
    : mutateGenome(genetics, first.genome, KICK, rng);
}

/** A genome beside peaks, with allowed blocks alone where limits hold block by block: a block of one parent may be too much at the other's resolution. */
function allowedBeside(run: Run, peaks: Peaks): Genome {
  const { genetics, rng, limits, pool } = run;
  const made = beside(run, peaks, rng.pick(pool.front).genome);
  return limits.list.reduce(
    (genome, { allowed }) => (allowed === undefined ? genome : withAllowedBlocks(genetics, genome, allowed, rng)),
    made,
  );
}

/** A place on the front: a cost drawn uniformly, and the point that stands before it or after it. */
function onFront({ pool: { front }, rng }: Run): { readonly point: Keyed; readonly ceiling: number } {
  const [first, last] = [front[0]!, front[front.length - 1]!];
  const ceiling = first.cost + rng.next() * (last.cost - first.cost);
  const after = firstWhere(front.length, (index) => front[index]!.cost > ceiling);
  const index = rng.chance(DEARER_CHANCE) ? after : after - 1;
  return { point: front[Math.max(0, Math.min(front.length - 1, index))]!, ceiling };
}

/** Begins a climb anew: where the search began, on the front, or beside peaks. */
export function begin(run: Run, peaks: Peaks, climb: Climb): Keyed {
  const { rng, scorer, options, genetics, isLeftOut } = run;
  const given = peaks.starts.pop();
  // More and more of them: what is learned on the way to the top is known by then, and lies near the front.
  const frontChance = isLeftOut('frontClimbs') ? 0 : (FRONT_CHANCE * scorer.evaluations) / options.evaluations;
  const place = given === undefined && rng.chance(frontChance) ? onFront(run) : undefined;
  climb.center = given ?? place?.point ?? keyed(genetics, allowedBeside(run, peaks));
  climb.ceiling = place?.ceiling ?? Number.POSITIVE_INFINITY;
  climb.best = undefined;
  climb.fruitless = 0;
  return climb.center;
}

/** The limits of a climb, within its ceiling where there is one. */
function limitsOf(run: Run, climb: Climb): readonly Limit[] {
  const { list, axis } = run.limits;
  const max = Math.min(climb.ceiling, ceilingOf(run));
  if (!Number.isFinite(max)) return list;
  const others = list.filter(({ cost }) => cost !== axis);
  const own = list.find(({ cost }) => cost === axis)?.max ?? Number.POSITIVE_INFINITY;
  return [{ cost: axis, max: Math.min(max, own) }, ...others];
}

/** What is worth scoring at a climb's center: the center, where it is not, and combinations of changes; where it breaks limits, such as mend it. */
export function propose(run: Run, climb: Climb, guess: Guess): Keyed[] {
  const { scorer, lookAround, combine } = run;
  const center = climb.center!;
  const changes = lookAround(center.genome, guess, limitsOf(run, climb));
  const combined = combine(changes, scorer);
  return scorer.isScored(center.key) ? combined : [center, ...combined];
}

/** The best of some genomes that were scored and were no centers yet. */
function bestOf({ scorer }: Run, { visited }: Peaks, genomes: readonly Keyed[]): Keyed | undefined {
  let best: Keyed | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  for (const each of genomes) {
    if (Number.isNaN(each.score)) each.score = scorer.scoreOf(each.key); // another climb may have had it scored
    if (!(each.score > highest) || visited.placeOf(each.key) >= 0) continue; // NaN is not above anything
    best = each;
    highest = each.score;
  }
  return best;
}

/** Moves a climb to the best of what was proposed and scored, or ends it. */
export function settle(run: Run, peaks: Peaks, climb: Climb, proposed: readonly Keyed[]): void {
  const { highest, visited } = peaks;
  if (climb.center !== undefined) visited.enter(climb.center.key);
  const next = bestOf(run, peaks, proposed);
  const isHigher = next !== undefined && (climb.best === undefined || next.score > climb.best.score);
  if (isHigher) climb.best = next;
  climb.fruitless = isHigher ? 0 : climb.fruitless + 1;
  climb.center = climb.fruitless >= MAX_FRUITLESS ? undefined : next;
  if (climb.center !== undefined || climb.best === undefined || Number.isFinite(climb.ceiling)) return;
  // A climb that had a ceiling is best at its own cost, and no peak of the whole problem.
  highest.push(climb.best);
  highest.sort((a, b) => b.score - a.score);
  if (highest.length > PEAKS_KEPT) highest.pop();
}
