import type { CostFunction } from './costs.js';
import { type Genetics, type Genome, normalize, toArch } from './genome.js';
import type { Scored, Scorer } from './scorer.js';
import type { Surrogate } from './surrogate.js';

/** A cost and how much of it may be used. */
export interface Limit {
  readonly cost: CostFunction;
  readonly max: number;
}

/** One gene of the center set to another value, with what it is guessed to gain. The move of gene -1 changes nothing. */
interface Move {
  readonly gene: number;
  readonly value: number;
  readonly gain: number;
}

/** All moves from a center by descending gain, and how each changes each limited cost. */
interface Moves {
  readonly moves: readonly Move[];
  /** Per limit the changes of its cost, in the order of `moves`. */
  readonly changes: readonly Float64Array[];
  /** Per limit what may still be added. */
  readonly slack: readonly number[];
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

function movesFrom(center: Genome, { genetics, limits, surrogate }: SwapOptions): Moves {
  const around = neighbors(genetics, center);
  const archs = around.map(({ genome }) => toArch(genetics, genome));
  const costs = limits.map(({ cost }) => cost(archs));
  const here = surrogate.guess(center);
  const moves = around.map(({ gene, value, genome }, index) => {
    return { gene, value, index, gain: gene < 0 ? 0 : surrogate.guess(genome) - here };
  });
  moves.sort((a, b) => b.gain - a.gain || a.index - b.index);
  return {
    moves,
    changes: costs.map((row) => Float64Array.from(moves, ({ index }) => row[index]! - row[0]!)),
    slack: limits.map(({ max }, limit) => max - costs[limit]![0]!),
  };
}

/** Whether two moves together keep every limit, if their changes add up. */
function fits({ changes, slack }: Moves, first: number, second: number): boolean {
  for (let limit = 0; limit < slack.length; limit++) {
    const row = changes[limit]!;
    if (row[first]! + row[second]! > slack[limit]!) return false;
  }
  return true;
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
  const { genetics, scorer, count } = options;
  const all = movesFrom(center.genome, options);
  const { moves } = all;
  const gains = Float64Array.from(moves, (move) => move.gain);
  const best: { genome: Genome; gain: number }[] = [];
  let lowest = Number.NEGATIVE_INFINITY; // gain that a pair has to exceed
  for (let first = 0; first < moves.length; first++) {
    for (let second = first + 1; second < moves.length; second++) {
      const gain = gains[first]! + gains[second]!;
      if (gain <= lowest) break; // gains descend, so no later one is better
      if (moves[first]!.gene === moves[second]!.gene || !fits(all, first, second)) continue;
      const genome = changed(genetics, center.genome, [moves[first]!, moves[second]!]);
      if (scorer.wasScored(genome)) continue;
      const place = best.findIndex((each) => each.gain < gain);
      best.splice(place < 0 ? best.length : place, 0, { genome, gain });
      if (best.length > count) best.pop();
      if (best.length === count) lowest = best[count - 1]!.gain;
    }
  }
  return best.map(({ genome }) => genome);
}
