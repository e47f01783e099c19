import { type Asked, askedAtOnce } from '../common/asked.js';
import { InvariantError, invariant } from '../common/invariant.js';
import { type Genetics, type Genome, type Keyed, toArchs } from './genome.js';
import { type Guess, makeEncoder } from './guess.js';
import { KeyTable } from './key-table.js';
import type { Limits } from './limits.js';
import { makeSurrogate, type Surrogate } from './surrogate.js';
import type { Objective } from './types.js';

/** Evaluations that the slopes around one genome count as: they take a forward and a backward pass. */
const SLOPES_COUNT_AS = 2;
/** Evaluations that should be left for each genome whose slopes are asked, else they could not be followed. */
const LEFT_PER_SLOPES = 6;
/** Scores that there is room for at first, at most (1 MiB); as many as are expected, as arrays that grew to them would leave as many behind. */
const FIRST_SCORES = 2 ** 17;

/** A scored, feasible architecture: `score` and `cost` are known. */
export type Scored = Readonly<Keyed>;

/** Genomes whose scores were asked for; {@link Scorer.take} has them, once. */
export interface AskedScores {
  readonly chosen: readonly Keyed[];
  /** Of each its place among all that was looked at. */
  readonly places: readonly number[];
  readonly found: Asked;
}

/** Genomes whose guesses were asked for; {@link Scorer.takeGuesses} has them, once. */
export interface AskedGuesses {
  /** Those that the budget allows guesses around. */
  readonly around: readonly Keyed[];
  /** Of them those whose slopes were not known, and their slopes. */
  readonly fresh: readonly number[];
  readonly slopes: Asked;
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
  isScored(key: number): boolean;
  /**
   * Asks for the scores of those genomes that are new and meet every constraint, in order, as far as the budget goes.
   * Constraints are checked first, so nothing infeasible costs an evaluation.
   */
  ask(genomes: readonly Keyed[]): AskedScores;
  /** Waits for scores. @returns those that were scored */
  take(asked: AskedScores): Promise<readonly Scored[]>;
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
  score(genomes: readonly Keyed[]): Promise<readonly Scored[]>;
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
  score(genomes: readonly Genome[]): Asked;
  readonly slopes?: SlopesAsked;
}

/** Slopes of genomes, a row each, and guesses by them. */
interface SlopesAsked {
  readonly features: number;
  rows(genomes: readonly Genome[]): Asked;
  guess(row: Float32Array): Guess;
}

function portOf({ genetics, objective, withSlopes }: ScorerParts): Port {
  const { encoded } = objective;
  const encoder = encoded && makeEncoder(genetics, encoded.resolutions);
  if (encoded === undefined || encoder === undefined) {
    return { score: (genomes) => askedAtOnce(objective.score(toArchs(genetics, genomes))) };
  }
  const spare: Float32Array[] = []; // rows that were scored: as many as are asked for at once
  const score = (genomes: readonly Genome[]): Asked => {
    const rows = encoder.rows(genomes, spare.pop());
    const asked = encoded.score(rows);
    const take = async (): Promise<Float32Array> => {
      const scores = await asked.take();
      spare.push(new Float32Array(rows.buffer));
      return scores;
    };
    return { take };
  };
  const slopes: SlopesAsked = {
    features: encoder.features,
    rows: (genomes) => encoded.slopes(encoder.rows(genomes)),
    guess: (row) => encoder.guess(row),
  };
  return { score, ...(withSlopes ? { slopes } : {}) };
}

const NOTHING = askedAtOnce(Promise.resolve(new Float32Array(0)));

/** Slopes by genome, each asked once. Mutable. */
class KnownSlopes {
  readonly #port: SlopesAsked;
  /** A row, or undefined while it is awaited. */
  readonly #slopes = new Map<number, Float32Array | undefined>();

  constructor(port: SlopesAsked) {
    this.#port = port;
  }

  /** How many were asked. */
  get count(): number {
    return this.#slopes.size;
  }

  /** Asks for those around genomes, in order. @param most that may be asked; before the first that is then not known it ends */
  ask(genomes: readonly Keyed[], most: number): AskedGuesses {
    const slopes = this.#slopes;
    const fresh = new Map<number, Genome>();
    for (const { genome, key } of genomes) if (!slopes.has(key) && fresh.size < most) fresh.set(key, genome);
    const rows = fresh.size === 0 ? NOTHING : this.#port.rows([...fresh.values()]);
    for (const key of fresh.keys()) slopes.set(key, undefined);
    const end = genomes.findIndex(({ key }) => !slopes.has(key));
    return { around: genomes.slice(0, end < 0 ? genomes.length : end), fresh: [...fresh.keys()], slopes: rows };
  }

  async take({ around, fresh, slopes }: AskedGuesses): Promise<readonly Guess[]> {
    const found = await slopes.take();
    const { features } = this.#port;
    for (const [i, key] of fresh.entries()) this.#slopes.set(key, found.subarray(i * features, (i + 1) * features));
    return around.map(({ key }) => {
      const row = this.#slopes.get(key);
      invariant(row !== undefined, () => 'slopes were taken before those that were asked earlier');
      return this.#port.guess(row);
    });
  }
}

function genomesOf(keyed: readonly Keyed[]): Genome[] {
  const genomes: Genome[] = [];
  for (const { genome } of keyed) genomes.push(genome);
  return genomes;
}

class BudgetedScorer implements Scorer {
  readonly #limits: Limits;
  readonly #budget: number;
  readonly #port: Port;
  /** One of the two is there. */
  readonly #learned: Surrogate | undefined;
  readonly #known: KnownSlopes | undefined;
  /** Where the score of a key is. */
  readonly #places: KeyTable;
  /** By place; NaN of what breaks a limit, or is awaited. */
  #scores: Float64Array;
  #asked = 0;

  constructor(parts: ScorerParts) {
    this.#limits = parts.limits;
    this.#budget = parts.budget;
    this.#places = new KeyTable(parts.budget);
    this.#scores = new Float64Array(Math.min(FIRST_SCORES, parts.budget + 1)).fill(Number.NaN);
    this.#port = portOf(parts);
    const { slopes } = this.#port;
    this.#known = slopes && new KnownSlopes(slopes);
    this.#learned = slopes === undefined ? makeSurrogate(parts.genetics) : undefined;
  }

  get evaluations(): number {
    return this.#asked + SLOPES_COUNT_AS * (this.#known?.count ?? 0);
  }

  get remaining(): number {
    return this.#budget - this.evaluations;
  }

  scoreOf(key: number): number {
    const place = this.#places.placeOf(key);
    return place < 0 ? Number.NaN : this.#scores[place]!;
  }

  isScored(key: number): boolean {
    const place = this.#places.placeOf(key);
    return place >= 0 && !Number.isNaN(this.#scores[place]!);
  }

  ask(genomes: readonly Keyed[]): AskedScores {
    const chosen: Keyed[] = [];
    const places: number[] = [];
    const most = this.remaining;
    for (const each of genomes) {
      if (chosen.length >= most) break;
      const place = this.#places.enter(each.key);
      if (place < 0) continue;
      if (place === this.#scores.length) this.#makeRoom();
      if (!this.#limits.meets(each.genome)) continue;
      chosen.push(each);
      places.push(place);
    }
    this.#asked += chosen.length;
    return { chosen, places, found: chosen.length === 0 ? NOTHING : this.#port.score(genomesOf(chosen)) };
  }

  async take({ chosen, places, found: asked }: AskedScores): Promise<readonly Scored[]> {
    const found = await asked.take();
    const count = chosen.length;
    invariant(found.length === count, () => `${count} architectures were scored with ${found.length} numbers`);
    const costs = this.#limits.axis.of(genomesOf(chosen));
    for (let i = 0; i < count; i++) {
      const each = chosen[i]!;
      const score = found[i]!;
      if (!Number.isFinite(score)) throw new InvariantError(`the objective scored an architecture with ${score}`);
      this.#scores[places[i]!] = score;
      this.#learned?.learn(each.genome, score);
      each.score = score;
      each.cost = costs[i]!;
    }
    return chosen;
  }

  #makeRoom(): void {
    const before = this.#scores;
    this.#scores = new Float64Array(2 * before.length).fill(Number.NaN, before.length);
    this.#scores.set(before);
  }

  askGuesses(around: readonly Keyed[]): AskedGuesses {
    if (this.#known === undefined) return { around, fresh: [], slopes: NOTHING };
    const left = this.remaining;
    const most = left > SLOPES_COUNT_AS ? Math.max(1, Math.floor(left / (SLOPES_COUNT_AS + LEFT_PER_SLOPES))) : 0;
    return this.#known.ask(around, most);
  }

  async takeGuesses(pending: AskedGuesses): Promise<readonly Guess[]> {
    return this.#known?.take(pending) ?? pending.around.map(() => this.#learned!);
  }

  probe(genomes: readonly Genome[]): Promise<Float32Array> {
    this.#asked += genomes.length;
    return this.#port.score(genomes).take();
  }

  score(genomes: readonly Keyed[]): Promise<readonly Scored[]> {
    return this.take(this.ask(genomes));
  }

  guesses(genomes: readonly Keyed[]): Promise<readonly Guess[]> {
    return this.takeGuesses(this.askGuesses(genomes));
  }
}

/** Makes a scorer that has scored nothing yet. */
export const makeScorer = (parts: ScorerParts): Scorer => new BudgetedScorer(parts);
