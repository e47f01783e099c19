import { invariant } from '../common/invariant.js';
import type { Arch } from '../space/types.js';
import { type CostFunction, meetsAll } from './costs.js';
import { type Genetics, type Genome, genomeKey, toArch } from './genome.js';
import type { Surrogate } from './surrogate.js';
import type { Constraint, Objective } from './types.js';

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
  wasScored(genome: Genome): boolean;
  /**
   * Scores those genomes that are new and meet every constraint, in order, as far as the budget goes.
   * Constraints are checked first, so nothing infeasible costs an evaluation.
   */
  score(genomes: readonly Genome[]): Promise<Scored[]>;
}

export interface ScorerParts {
  readonly genetics: Genetics;
  readonly objective: Objective;
  readonly constraints: readonly Constraint[];
  readonly axis: CostFunction;
  readonly surrogate: Surrogate;
  /** Evaluations that may be spent. */
  readonly budget: number;
}

/** Makes a scorer that has scored nothing yet. */
export function makeScorer({ genetics, objective, constraints, axis, surrogate, budget }: ScorerParts): Scorer {
  const scored = new Set<number>();
  /** New genomes of a batch, each once, with their archs. */
  const freshOnes = (genomes: readonly Genome[]): { genome: Genome; key: number; arch: Arch }[] => {
    const keys = new Set<number>();
    const fresh: { genome: Genome; key: number; arch: Arch }[] = [];
    for (const genome of genomes) {
      const key = genomeKey(genetics, genome);
      if (scored.has(key) || keys.has(key)) continue;
      keys.add(key);
      fresh.push({ genome, key, arch: toArch(genetics, genome) });
    }
    return fresh;
  };
  return {
    get evaluations() {
      return scored.size;
    },
    get remaining() {
      return budget - scored.size;
    },
    wasScored: (genome) => scored.has(genomeKey(genetics, genome)),
    score: async (genomes) => {
      const fresh = freshOnes(genomes);
      const meets = meetsAll(
        constraints,
        fresh.map(({ arch }) => arch),
      );
      const chosen = fresh.filter((_, index) => meets[index]).slice(0, Math.max(0, budget - scored.size));
      if (chosen.length === 0) return [];
      const archs = chosen.map(({ arch }) => arch);
      const scores = await objective.score(archs);
      invariant(
        scores.length === archs.length,
        () => `${archs.length} archs were scored with ${scores.length} numbers`,
      );
      const costs = axis(archs);
      return chosen.map(({ genome, key, arch }, index) => {
        const score = scores[index]!;
        invariant(Number.isFinite(score), () => `the objective scored an arch with ${score}`);
        scored.add(key);
        surrogate.learn(genome, score);
        return { genome, arch, score, cost: costs[index]! };
      });
    },
  };
}
