import { invariant } from '../common/invariant.js';
import { type Genetics, type Genome, genomeKey, toArch } from './genome.js';
import { type Encoder, type Guess, makeEncoder } from './guess.js';
import type { Limits } from './limits.js';
import { makeScoreTable } from './score-table.js';
import { makeSurrogate } from './surrogate.js';
import type { Objective } from './types.js';

/** Evaluations that the slopes around one genome count as: they take a forward and a backward pass. */
const SLOPES_COUNT_AS = 2;

/** A scored, feasible architecture. */
export interface Scored {
  readonly genome: Genome;
  readonly score: number;
  /** Its cost along the front axis. */
  readonly cost: number;
}

/** Scores genomes, each at most once, within a budget. Mutable: it remembers what it has scored. */
export interface Scorer {
  readonly evaluations: number;
  readonly remaining: number;
  /** The score of a genome that was scored. */
  scoreOf(genome: Genome): number | undefined;
  /** Whether the genome of a key was scored. */
  isScored(key: number): boolean;
  /**
   * Scores those genomes that are new and meet every constraint, in order, as far as the budget goes.
   * Constraints are checked first, so nothing infeasible costs an evaluation.
   * @returns those that were scored
   */
  score(genomes: readonly Genome[]): Promise<Scored[]>;
  /**
   * What changes of each genome are guessed to gain: by the objective's slopes there, else by what was learned from all scores so far.
   * @returns in order; fewer where the budget ends
   */
  guesses(genomes: readonly Genome[]): Promise<readonly Guess[]>;
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
  readonly slopes?: (genomes: readonly Genome[]) => Promise<readonly Guess[]>;
}

async function guessesBySlopes(
  encoder: Encoder,
  slopesOf: (rows: Float32Array) => Promise<Float32Array>,
  genomes: readonly Genome[],
): Promise<Guess[]> {
  const slopes = await slopesOf(encoder.rows(genomes));
  return genomes.map((_, i) => encoder.guess(slopes.subarray(i * encoder.features, (i + 1) * encoder.features)));
}

function askedOf({ genetics, objective, withSlopes }: ScorerParts): Asked {
  const { encoded } = objective;
  const encoder = encoded && makeEncoder(genetics, encoded.resolutions);
  if (encoded === undefined || encoder === undefined) {
    return { score: (genomes) => objective.score(genomes.map((genome) => toArch(genetics, genome))) };
  }
  return {
    score: (genomes) => encoded.score(encoder.rows(genomes)),
    ...(withSlopes ? { slopes: (genomes) => guessesBySlopes(encoder, encoded.slopes, genomes) } : {}),
  };
}

/** Makes a scorer that has scored nothing yet. */
export function makeScorer(parts: ScorerParts): Scorer {
  const { genetics, limits, budget } = parts;
  const asked = askedOf(parts);
  const learned = asked.slopes === undefined ? makeSurrogate(genetics) : undefined;
  const scores = makeScoreTable();
  let batch = 0;
  let slopesAsked = 0;
  const remaining = (): number => budget - scores.scored - SLOPES_COUNT_AS * slopesAsked;
  /** New genomes of a batch that meet the constraints, each once, as far as the budget goes, with their keys. */
  const chosenOf = (genomes: readonly Genome[]): { genomes: Genome[]; keys: number[] } => {
    batch++;
    const chosen = { genomes: [] as Genome[], keys: [] as number[] };
    const most = remaining();
    for (const genome of genomes) {
      if (chosen.genomes.length >= most) break;
      const key = genomeKey(genetics, genome);
      if (!Number.isNaN(scores.get(key)) || !scores.mark(key, batch) || !limits.meets(genome)) continue;
      chosen.genomes.push(genome);
      chosen.keys.push(key);
    }
    return chosen;
  };
  return {
    get evaluations() {
      return budget - remaining();
    },
    get remaining() {
      return remaining();
    },
    scoreOf: (genome) => {
      const score = scores.get(genomeKey(genetics, genome));
      return Number.isNaN(score) ? undefined : score;
    },
    isScored: (key) => !Number.isNaN(scores.get(key)),
    score: async (genomes) => {
      const chosen = chosenOf(genomes);
      if (chosen.keys.length === 0) return [];
      const found = await asked.score(chosen.genomes);
      const count = chosen.keys.length;
      invariant(found.length === count, () => `${count} architectures were scored with ${found.length} numbers`);
      const costs = limits.axis.of(chosen.genomes);
      return chosen.genomes.map((genome, i) => {
        const score = found[i]!;
        invariant(Number.isFinite(score), () => `the objective scored an architecture with ${score}`);
        scores.set(chosen.keys[i]!, score);
        learned?.learn(genome, score);
        return { genome, score, cost: costs[i]! };
      });
    },
    guesses: async (genomes) => {
      if (learned !== undefined) return genomes.map(() => learned);
      const within = genomes.slice(0, Math.max(0, Math.floor(remaining() / SLOPES_COUNT_AS)));
      if (within.length === 0 || asked.slopes === undefined) return [];
      slopesAsked += within.length;
      return asked.slopes(within);
    },
  };
}
