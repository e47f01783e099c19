import { invariant } from '../common/invariant.js';
import type { Arch } from '../space/types.js';
import { type Genetics, type Genome, genomeKey, toArch } from './genome.js';
import type { Limits } from './limits.js';
import { makeScoreTable } from './score-table.js';
import type { Surrogate } from './surrogate.js';
import type { Objective } from './types.js';

/** A scored, feasible architecture. */
export interface Scored {
  readonly genome: Genome;
  readonly arch: Arch;
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
  /**
   * Scores those genomes that are new and meet every constraint, in order, as far as the budget goes.
   * Constraints are checked first, so nothing infeasible costs an evaluation but what is asked for.
   * @param regardless genomes to score also where they break a constraint: what a change gains is worth knowing before it is paid for
   * @returns the feasible ones among those that were new
   */
  score(genomes: readonly Genome[], regardless?: readonly Genome[]): Promise<Scored[]>;
}

export interface ScorerParts {
  readonly genetics: Genetics;
  readonly objective: Objective;
  readonly limits: Limits;
  readonly surrogate: Surrogate;
  /** Evaluations that may be spent. */
  readonly budget: number;
}

/** Makes a scorer that has scored nothing yet. */
export function makeScorer({ genetics, objective, limits, surrogate, budget }: ScorerParts): Scorer {
  const scores = makeScoreTable();
  let batch = 0;
  /** New genomes of a batch, each once, with their keys. */
  const freshOnes = (genomes: readonly Genome[]): { genomes: Genome[]; keys: number[] } => {
    batch++;
    const fresh = { genomes: [] as Genome[], keys: [] as number[] };
    for (const genome of genomes) {
      const key = genomeKey(genetics, genome);
      if (!Number.isNaN(scores.get(key)) || !scores.mark(key, batch)) continue;
      fresh.genomes.push(genome);
      fresh.keys.push(key);
    }
    return fresh;
  };
  return {
    get evaluations() {
      return scores.scored;
    },
    get remaining() {
      return budget - scores.scored;
    },
    scoreOf: (genome) => {
      const score = scores.get(genomeKey(genetics, genome));
      return Number.isNaN(score) ? undefined : score;
    },
    score: async (genomes, regardless = []) => {
      const fresh = freshOnes([...regardless, ...genomes]);
      const asked = new Set(regardless);
      const meets = limits.meets(fresh.genomes);
      const chosen: number[] = [];
      for (let i = 0; i < meets.length && chosen.length < budget - scores.scored; i++) {
        if (meets[i] || asked.has(fresh.genomes[i]!)) chosen.push(i);
      }
      if (chosen.length === 0) return [];
      const archs = chosen.map((i) => toArch(genetics, fresh.genomes[i]!));
      const found = await objective.score(archs);
      invariant(found.length === archs.length, () => `${archs.length} archs were scored with ${found.length} numbers`);
      const costs = limits.axis.of(chosen.map((i) => fresh.genomes[i]!));
      const scored: Scored[] = [];
      for (const [index, i] of chosen.entries()) {
        const [genome, score] = [fresh.genomes[i]!, found[index]!];
        invariant(Number.isFinite(score), () => `the objective scored an arch with ${score}`);
        scores.set(fresh.keys[i]!, score);
        surrogate.learn(genome, score);
        if (meets[i]) scored.push({ genome, arch: archs[index]!, score, cost: costs[index]! });
      }
      return scored;
    },
  };
}
