import type { Steps } from '../common/work.js';
import type { Arch, SearchSpace } from '../space/types.js';
import type { Candidate, Constraint, Objective } from './types.js';

/** What a candidate says beside its accuracy. */
export type CandidateFigures = Omit<Candidate, 'arch' | 'archId' | 'predictedTop1' | 'predictedTop1Interval'>;

/**
 * What the best candidate is: of the highest score, or of the lowest latency or fewest MACs among those that reach `minScore`.
 * Every search gives the whole front; the goal says which end of it counts, and along which cost it runs.
 */
export type SearchGoal = 'accuracy' | 'latency' | 'macs';

/** A part of the search that can be left out, to see what it gives. */
export type Ingredient = 'exact' | 'slopes' | 'threes' | 'crossing' | 'peaks' | 'frontClimbs';

/** A point of the search's progress. */
export interface SearchProgress {
  /** Evaluations so far, as in the budget. */
  readonly evaluations: number;
  /** Best score so far. */
  readonly bestTop1: number;
  readonly frontSize: number;
}

export interface SearchOptions extends Steps {
  readonly space: SearchSpace;
  /** What is maximized. */
  readonly objective: Objective;
  /** Every candidate meets all of them. */
  readonly constraints: readonly Constraint[];
  /** Figures of architectures, in order. */
  readonly describe: (archs: readonly Arch[]) => readonly CandidateFigures[];
  /** Budget of evaluations: one per architecture scored by the objective, each once, and two per look at its slopes. */
  readonly evaluations: number;
  /** Any safe integer; the same one gives the same result. */
  readonly seed: number;
  /** Input sides to search, pixels; not empty. */
  readonly resolutions: readonly number[];
  /** The cost that the front trades against the score: the id of a constraint, asked for or not (`maxLatencyMs`), or `macs`. */
  readonly frontAxis: string;
  /** Lowest score that is good enough, in the objective's units. */
  readonly minScore?: number;
  /** What is best; `accuracy` unless told. With `latency` and `macs` the front runs along that cost, whatever `frontAxis` says. */
  readonly goal?: SearchGoal;
  /** Architectures to begin with, such as an earlier front: scored first where they are in the space and meet the constraints. */
  readonly warmStart?: readonly Arch[];
  /** Time limit, seconds on `now`'s clock; results then depend on the machine. */
  readonly maxSeconds?: number;
  /** A monotonic clock, seconds; without it there is no time limit. */
  readonly now?: () => number;
  /** For ablations alone. */
  readonly without?: readonly Ingredient[];
  /** The second argument describes the front so far when it is called, in the order of `paretoFront`. */
  readonly onProgress?: (progress: SearchProgress, front: () => readonly Candidate[]) => void;
}

export interface SearchResult {
  readonly best: Candidate;
  /** Ascending in the front axis and in score: the last is the best, or with the goals `latency` and `macs` the first. Up to 1,000 candidates. */
  readonly paretoFront: readonly Candidate[];
  readonly evaluations: number;
  readonly history: readonly SearchProgress[];
  /** Whether the time limit ended the search before its evaluations were used. */
  readonly cutShort: boolean;
}
