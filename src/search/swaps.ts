import type { CostFunction } from './costs.js';
import { type Genetics, type Genome, normalize, toArch } from './genome.js';
import type { Scored, Scorer } from './scorer.js';
import type { Surrogate } from './surrogate.js';

/** A cost and how much of it may be used. */
export interface Limit {
  readonly cost: CostFunction;
  readonly max: number;
}

/** One gene of the center set to another value, with what it is guessed to gain. The first move changes nothing. */
interface Move {
  readonly gene: number;
  readonly value: number;
  readonly gain: number;
  /** Change of each limited cost. */
  readonly costs: readonly number[];
}

function changed(genetics: Genetics, genome: Genome, moves: readonly Move[]): Genome {
  const made = genome.slice();
  for (const { gene, value } of moves) if (gene >= 0) made[gene] = value;
  return normalize(genetics, made);
}

/** Every genome that differs from the given one in one active gene, and first the genome itself (gene -1). */
export function neighbors(genetics: Genetics, genome: Genome): { gene: number; value: number; genome: Genome }[] {
  const found = [{ gene: -1, value: 0, genome }];
  for (let gene = 0; gene < genetics.length; gene++) {
    for (let value = 0; value < genetics.values[gene]!; value++) {
      if (value === genome[gene]) continue;
      const made = genome.slice();
      made[gene] = value;
      if (normalize(genetics, made)[gene] !== value) break; // the gene's slot is inactive
      found.push({ gene, value, genome: made });
    }
  }
  return found;
}

function movesFrom(genetics: Genetics, center: Genome, limits: readonly Limit[], surrogate: Surrogate): Move[] {
  const around = neighbors(genetics, center);
  const archs = around.map(({ genome }) => toArch(genetics, genome));
  const costs = limits.map(({ cost }) => cost(archs));
  const here = surrogate.guess(center);
  return around.map(({ gene, value, genome }, index) => ({
    gene,
    value,
    gain: gene < 0 ? 0 : surrogate.guess(genome) - here,
    costs: costs.map((row) => row[index]! - row[0]!),
  }));
}

export interface SwapOptions {
  readonly genetics: Genetics;
  readonly surrogate: Surrogate;
  readonly scorer: Scorer;
  readonly limits: readonly Limit[];
  /** How many genomes to give at most. */
  readonly count: number;
}

/**
 * The most promising new genomes that differ from a center in one or two genes: those of the highest guessed gain whose costs,
 * if changes add up, keep the limits. Pairs are what finds better use of a budget: one block gives what another takes.
 * @returns at most `count` genomes that were not scored yet, best guess first
 */
export function promisingSwaps(center: Scored, options: SwapOptions): Genome[] {
  const { genetics, limits, scorer, count } = options;
  const moves = movesFrom(genetics, center.genome, limits, options.surrogate);
  const slack = limits.map(({ cost, max }) => max - cost([center.arch])[0]!);
  const fits = (a: Move, b: Move): boolean => slack.every((room, row) => a.costs[row]! + b.costs[row]! <= room);
  const byGain = moves.sort((a, b) => b.gain - a.gain || a.gene - b.gene || a.value - b.value);
  const best: { genome: Genome; gain: number }[] = [];
  const lowest = (): number => (best.length < count ? Number.NEGATIVE_INFINITY : best[best.length - 1]!.gain);
  byGain.forEach((first, index) => {
    for (let other = index + 1; other < byGain.length; other++) {
      const second = byGain[other]!;
      const gain = first.gain + second.gain;
      if (gain <= lowest()) break; // gains descend, so no later one is better
      if (first.gene === second.gene || !fits(first, second)) continue;
      const genome = changed(genetics, center.genome, [first, second]);
      if (scorer.wasScored(genome)) continue;
      const place = best.findIndex((each) => each.gain < gain);
      best.splice(place < 0 ? best.length : place, 0, { genome, gain });
      if (best.length > count) best.pop();
    }
  });
  return best.map(({ genome }) => genome);
}
