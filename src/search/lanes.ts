import { nextStep } from '../common/work.js';
import { begin, type Climb, idleClimb, type Peaks, propose, settle } from './climb.js';
import { immigrants, scoreFirst } from './first.js';
import type { Keyed } from './genome.js';
import { KeyTable } from './key-table.js';
import { absorb, isOutOfTime, type Run, withKeys } from './run.js';
import type { AskedGuesses, AskedScores } from './scorer.js';

/** Climbs side by side at most, so that batches are large, and the evaluations that each should have at least. */
const CLIMBS = 64;
const EVALUATIONS_PER_CLIMB = 300;
/** Groups of them that take turns. With three one proposes, one is being scored, and the slopes of the third are computed. */
const LANES = 3;
/** Rounds in a row with hardly anything new after which a search ends: what is feasible and promising has been seen. */
const MAX_FRUITLESS = 25;
/**
 * Looks around centers after which a search ends, as a share of its evaluations, and at least: where nearly all is known, looking costs the
 * time. As a rule a look brings 17 evaluations.
 */
const MAX_LOOKS_SHARE = 0.25;
const MAX_LOOKS_LEAST = 8_000;
/** Share of the offered architectures that must be new and feasible for a round to count as fruitful. */
const MIN_NEW_SHARE = 0.02;

/** Lists one after the other; `flat` takes ten times as long. */
function joined<T>(lists: readonly (readonly T[])[]): T[] {
  const all: T[] = [];
  for (const list of lists) for (const each of list) all.push(each);
  return all;
}

/** Climbs that go step by step together. Mutable. */
interface Lane {
  readonly climbs: readonly Climb[];
  /** What each climb proposed last. */
  proposed: readonly (readonly Keyed[])[];
  /** What the next half of a step waits for. */
  waiting: { readonly slopes: AskedGuesses } | { readonly scores: AskedScores };
}

/** What the lanes of a search share. Mutable. */
interface Climbing {
  readonly run: Run;
  readonly peaks: Peaks;
  /** Rounds in a row with hardly anything new. */
  fruitless: number;
  /** Looks around centers that are left. */
  looks: number;
}

/** The first half of a step: takes the scores of what was proposed, moves the climbs, begins new ones, and asks for the slopes at their centers. */
async function move({ run, peaks }: Climbing, lane: Lane, scores: AskedScores): Promise<void> {
  await absorb(run, scores);
  for (const [index, climb] of lane.climbs.entries()) settle(run, peaks, climb, lane.proposed[index] ?? []);
  const centers = lane.climbs.map((climb) => climb.center ?? begin(run, peaks, climb));
  lane.waiting = { slopes: run.scorer.askGuesses(centers) };
}

/** The second half: takes the slopes, and asks for the scores of what they promise. */
async function follow(climbing: Climbing, lane: Lane, slopes: AskedGuesses): Promise<void> {
  const { run } = climbing;
  const guesses = await run.scorer.takeGuesses(slopes);
  await nextStep(run.options);
  lane.proposed = guesses.map((guess, index) => propose(run, lane.climbs[index]!, guess));
  const offered = guesses.length > 0 ? joined(lane.proposed) : withKeys(run, immigrants(run, run.scorer.remaining));
  const scores = run.scorer.ask(offered);
  lane.waiting = { scores };
  climbing.looks -= guesses.length;
  climbing.fruitless = scores.chosen.length <= MIN_NEW_SHARE * offered.length ? climbing.fruitless + 1 : 0;
}

/**
 * Lanes take their half steps in turn, always in the same order, each waiting for what it asked for a turn of all lanes ago: where an objective
 * computes elsewhere, it has work while this thread proposes, and the result is the same as where it does not.
 */
export async function climbAll(run: Run): Promise<void> {
  const { options, scorer, pool } = run;
  const starts = await scoreFirst(run);
  if (pool.best === undefined) return; // nothing is feasible
  const count = Math.max(1, Math.min(CLIMBS, Math.floor(options.evaluations / EVALUATIONS_PER_CLIMB)));
  const peaks: Peaks = { highest: [], visited: new KeyTable(), starts: starts.slice(-count) };
  const looks = Math.max(MAX_LOOKS_LEAST, MAX_LOOKS_SHARE * options.evaluations);
  const climbing: Climbing = { run, peaks, fruitless: 0, looks };
  const lanes = Array.from({ length: Math.min(LANES, count) }, (_, lane): Lane => {
    const size = Math.floor((count + lane) / Math.min(LANES, count));
    const nothing = scorer.ask([]);
    return { climbs: Array.from({ length: size }, idleClimb), proposed: [], waiting: { scores: nothing } };
  });
  const isOver = (): boolean =>
    scorer.remaining <= 0 ||
    climbing.fruitless >= MAX_FRUITLESS * lanes.length ||
    climbing.looks <= 0 ||
    isOutOfTime(run);
  for (let turn = 0; !isOver(); turn++) {
    // Neighbors begin half a step apart, so that one waits for slopes while the other waits for scores.
    if (turn < lanes.length && turn % 2 === 1) continue;
    const lane = lanes[turn % lanes.length]!;
    const { waiting } = lane;
    await ('slopes' in waiting ? follow(climbing, lane, waiting.slopes) : move(climbing, lane, waiting.scores));
  }
  for (const { waiting } of lanes) if ('scores' in waiting) await absorb(run, waiting.scores);
}
