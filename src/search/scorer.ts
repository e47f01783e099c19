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

/** Scores genomes, each at most once, within a budget. Mutable: it remembers what it has scored. */
export interface Scorer {
  /** What was spent of the budget. */
  readonly evaluations: number;
  /** Architectures scored. */
  readonly scored: number;
  readonly remaining: number;
  /** The score of the genome of a key; NaN where it was not scored. */
  scoreOf(key: number): number;
  /**
   * Scores those genomes that are new and meet every constraint, in order, as far as the budget goes.
   * Constraints are checked first, so nothing infeasible costs an evaluation.
   * @returns those that were scored
   */
  score(genomes: readonly Keyed[]): Promise<Scored[]>;
  /**
   * What changes of each genome are guessed to gain: by the objective's slopes there, which are asked once for each, else by what was
   * learned from all scores so far.
   * @returns in order; fewer where the budget ends
   */
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
interface Asked {
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

function askedOf({ genetics, objective, withSlopes }: ScorerParts): Asked {
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
  /** Guesses around genomes, in order. @param most that may be asked; at the first that is then not known it ends */
  guesses(genomes: readonly Keyed[], most: number): Promise<readonly Guess[]>;
}

function keepSlopes(asked: SlopesAsked): KnownSlopes {
  const slopes = new Map<number, Float32Array>();
  return {
    get count() {
      return slopes.size;
    },
    guesses: async (genomes, most) => {
      const fresh = new Map<number, Genome>();
      for (const { genome, key } of genomes) if (!slopes.has(key) && fresh.size < most) fresh.set(key, genome);
      const rows = fresh.size === 0 ? [] : await asked.rows([...fresh.values()]);
      for (const [i, key] of [...fresh.keys()].entries()) slopes.set(key, rows[i]!);
      const end = genomes.findIndex(({ key }) => !slopes.has(key));
      return genomes.slice(0, end < 0 ? genomes.length : end).map(({ key }) => asked.guess(slopes.get(key)!));
    },
  };
}

/** Makes a scorer that has scored nothing yet. */
export function makeScorer(parts: ScorerParts): Scorer {
  const { genetics, limits, budget } = parts;
  const asked = askedOf(parts);
  const learned = asked.slopes === undefined ? makeSurrogate(genetics) : undefined;
  const scores = makeScoreTable();
  let batch = 0;
  const known = asked.slopes && keepSlopes(asked.slopes);
  const remaining = (): number => budget - scores.scored - SLOPES_COUNT_AS * (known?.count ?? 0);
  /** New genomes of a batch that meet the constraints, each once, as far as the budget goes. */
  const chosenOf = (genomes: readonly Keyed[]): Keyed[] => {
    batch++;
    const chosen: Keyed[] = [];
    const most = remaining();
    for (const each of genomes) {
      if (chosen.length >= most) break;
      if (!scores.mark(each.key, batch) || !limits.meets(each.genome)) continue;
      chosen.push(each);
    }
    return chosen;
  };
  return {
    get evaluations() {
      return budget - remaining();
    },
    get scored() {
      return scores.scored;
    },
    get remaining() {
      return remaining();
    },
    scoreOf: scores.get,
    score: async (offered) => {
      const chosen = chosenOf(offered);
      if (chosen.length === 0) return [];
      const genomes = chosen.map(({ genome }) => genome);
      const found = await asked.score(genomes);
      const count = chosen.length;
      invariant(found.length === count, () => `${count} architectures were scored with ${found.length} numbers`);
      const costs = limits.axis.of(genomes);
      return chosen.map(({ genome, key }, i) => {
        const score = found[i]!;
        invariant(Number.isFinite(score), () => `the objective scored an architecture with ${score}`);
        scores.set(key, score);
        learned?.learn(genome, score);
        return { genome, key, score, cost: costs[i]! };
      });
    },
    guesses: async (genomes) => {
      if (learned !== undefined) return genomes.map(() => learned);
      const left = remaining();
      const most = left > SLOPES_COUNT_AS ? Math.max(1, Math.floor(left / (SLOPES_COUNT_AS + LEFT_PER_SLOPES))) : 0;
      return known?.guesses(genomes, most) ?? [];
    },
  };
}
