import { invariant } from '../common/invariant.js';
import { type Genetics, type Genome, type Keyed, toArch } from './genome.js';
import { type Encoder, type Guess, makeEncoder } from './guess.js';
import type { Limits } from './limits.js';
import { makeScoreTable } from './score-table.js';
import { makeSurrogate } from './surrogate.js';
import type { Objective } from './types.js';

/** Evaluations that the slopes around one genome count as: they take a forward and a backward pass. */
const SLOPES_COUNT_AS = 2;
/** Evaluations that should be left for each genome whose slopes are asked, else they could not be followed. */
const LEFT_PER_SLOPES = 6;

/** A scored, feasible architecture. */
export interface Scored extends Keyed {
  readonly score: number;
  /** Its cost along the front axis. */
  readonly cost: number;
}

/** Genomes whose scores were asked for; {@link Scorer.take} has them, once. */
export interface AskedScores {
  readonly chosen: readonly Keyed[];
  readonly found: Promise<Float32Array>;
}

/** Genomes whose guesses were asked for; {@link Scorer.takeGuesses} has them, once. */
export interface AskedGuesses {
  /** Those that the budget allows guesses around. */
  readonly around: readonly Keyed[];
  /** Of them those whose slopes were not known, and their slopes. */
  readonly fresh: readonly number[];
  readonly rows: Promise<readonly Float32Array[]>;
}

/**
 * Scores genomes, each at most once, within a budget. Mutable: it remembers what it has scored.
 * What is asked for is paid at once and known when it is taken, in the order of the asking: so a search can go on meanwhile, and
 * nothing depends on when an objective answers.
 */
export interface Scorer {
  /** What was spent of the budget. */
  readonly evaluations: number;
  readonly remaining: number;
  /** The score of the genome of a key; NaN where it was not scored. */
  scoreOf(key: number): number;
  /**
   * Asks for the scores of those genomes that are new and meet every constraint, in order, as far as the budget goes.
   * Constraints are checked first, so nothing infeasible costs an evaluation.
   */
  ask(genomes: readonly Keyed[]): AskedScores;
  /** Waits for scores. @returns those that were scored */
  take(asked: AskedScores): Promise<Scored[]>;
  /**
   * Asks what changes of each genome are guessed to gain: by the objective's slopes there, which are asked once for each, else by what was
   * learned from all scores so far.
   */
  askGuesses(genomes: readonly Keyed[]): AskedGuesses;
  /** Waits for guesses. @returns in order; fewer where the budget ends */
  takeGuesses(asked: AskedGuesses): Promise<readonly Guess[]>;
  /** Scores genomes whether they meet the constraints or not, and remembers none: to find out what kind of objective it is. */
  probe(genomes: readonly Genome[]): Promise<Float32Array>;
  /** Asks for scores and waits for them. */
  score(genomes: readonly Keyed[]): Promise<Scored[]>;
  /** Asks for guesses and waits for them. */
  guesses(genomes: readonly Keyed[]): Promise<readonly Guess[]>;
}

export interface ScorerParts {
  readonly genetics: Genetics;
  readonly objective: Objective;
  readonly limits: Limits;
  /** Evaluations that may be spent. */
  readonly budget: number;
  /** Whether slopes are used where the objective has them. */
  readonly withSlopes: boolean;
}

/** How an objective is asked about genomes. */
interface Port {
  score(genomes: readonly Genome[]): Promise<Float32Array>;
  readonly slopes?: SlopesAsked;
}

/** Slopes of genomes, a row each, and guesses by them. */
interface SlopesAsked {
  rows(genomes: readonly Genome[]): Promise<readonly Float32Array[]>;
  guess(row: Float32Array): Guess;
}

function slopesOf(encoder: Encoder, ask: (rows: Float32Array) => Promise<Float32Array>): SlopesAsked {
  const { features, guess } = encoder;
  return {
    guess,
    rows: async (genomes) => {
      const slopes = await ask(encoder.rows(genomes));
      return genomes.map((_, i) => slopes.slice(i * features, (i + 1) * features)); // copies, as a few of many are kept
    },
  };
}

function portOf({ genetics, objective, withSlopes }: ScorerParts): Port {
  const { encoded } = objective;
  const encoder = encoded && makeEncoder(genetics, encoded.resolutions);
  if (encoded === undefined || encoder === undefined) {
    return { score: (genomes) => objective.score(genomes.map((genome) => toArch(genetics, genome))) };
  }
  return {
    score: (genomes) => encoded.score(encoder.rows(genomes)),
    ...(withSlopes ? { slopes: slopesOf(encoder, encoded.slopes) } : {}),
  };
}

/** Slopes by genome, each asked once. Mutable. */
interface KnownSlopes {
  /** How many were asked. */
  readonly count: number;
  /** Asks for those around genomes, in order. @param most that may be asked; before the first that is then not known it ends */
  ask(genomes: readonly Keyed[], most: number): AskedGuesses;
  take(asked: AskedGuesses): Promise<readonly Guess[]>;
}

function keepSlopes(port: SlopesAsked): KnownSlopes {
  /** A row, or undefined while it is awaited. */
  const slopes = new Map<number, Float32Array | undefined>();
  return {
    get count() {
      return slopes.size;
    },
    ask: (genomes, most) => {
      const fresh = new Map<number, Genome>();
      for (const { genome, key } of genomes) if (!slopes.has(key) && fresh.size < most) fresh.set(key, genome);
      const rows = fresh.size === 0 ? Promise.resolve([]) : port.rows([...fresh.values()]);
      for (const key of fresh.keys()) slopes.set(key, undefined);
      const end = genomes.findIndex(({ key }) => !slopes.has(key));
      return {
        around: genomes.slice(0, end < 0 ? genomes.length : end),
        fresh: [...fresh.keys()],
        rows: awaited(rows),
      };
    },
    take: async ({ around, fresh, rows }) => {
      const found = await rows;
      for (const [i, key] of fresh.entries()) slopes.set(key, found[i]);
      return around.map(({ key }) => {
        const row = slopes.get(key);
        invariant(row !== undefined, () => 'slopes were taken before those that were asked earlier');
        return port.guess(row);
      });
    },
  };
}

/** A promise that somebody will wait for, or nobody where a search ends early: then its failure is no concern. */
function awaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

const NO_SCORES = Promise.resolve(new Float32Array(0));
const NO_ROWS = Promise.resolve([]);

/** Makes a scorer that has scored nothing yet. */
export function makeScorer(parts: ScorerParts): Scorer {
  const { genetics, limits, budget } = parts;
  const port = portOf(parts);
  const learned = port.slopes === undefined ? makeSurrogate(genetics) : undefined;
  const scores = makeScoreTable();
  const known = port.slopes && keepSlopes(port.slopes);
  let asked = 0;
  const remaining = (): number => budget - asked - SLOPES_COUNT_AS * (known?.count ?? 0);
  /** New genomes that meet the constraints, each once, as far as the budget goes. */
  const chosenOf = (genomes: readonly Keyed[]): Keyed[] => {
    const chosen: Keyed[] = [];
    const most = remaining();
    for (const each of genomes) {
      if (chosen.length >= most) break;
      if (scores.mark(each.key) && limits.meets(each.genome)) chosen.push(each);
    }
    return chosen;
  };
  const ask = (offered: readonly Keyed[]): AskedScores => {
    const chosen = chosenOf(offered);
    asked += chosen.length;
    if (chosen.length === 0) return { chosen, found: NO_SCORES };
    return { chosen, found: awaited(port.score(chosen.map(({ genome }) => genome))) };
  };
  const take = async ({ chosen, found: promise }: AskedScores): Promise<Scored[]> => {
    const found = await promise;
    const count = chosen.length;
    invariant(found.length === count, () => `${count} architectures were scored with ${found.length} numbers`);
    const costs = limits.axis.of(chosen.map(({ genome }) => genome));
    return chosen.map(({ genome, key }, i) => {
      const score = found[i]!;
      invariant(Number.isFinite(score), () => `the objective scored an architecture with ${score}`);
      scores.set(key, score);
      learned?.learn(genome, score);
      return { genome, key, score, cost: costs[i]! };
    });
  };
  const askGuesses = (around: readonly Keyed[]): AskedGuesses => {
    if (known === undefined) return { around, fresh: [], rows: NO_ROWS };
    const left = remaining();
    const most = left > SLOPES_COUNT_AS ? Math.max(1, Math.floor(left / (SLOPES_COUNT_AS + LEFT_PER_SLOPES))) : 0;
    return known.ask(around, most);
  };
  const takeGuesses = async (pending: AskedGuesses): Promise<readonly Guess[]> =>
    known?.take(pending) ?? pending.around.map(() => learned!); // one of the two is there
  return {
    get evaluations() {
      return budget - remaining();
    },
    get remaining() {
      return remaining();
    },
    scoreOf: scores.get,
    ask,
    take,
    askGuesses,
    takeGuesses,
    probe: (genomes) => {
      asked += genomes.length;
      return port.score(genomes);
    },
    score: (genomes) => take(ask(genomes)),
    guesses: (genomes) => takeGuesses(askGuesses(genomes)),
  };
}
