import type { Rng } from '../common/rng.js';
import type { BlockCosts } from './block-costs.js';
import { endOfActive, type Genetics, type Genome } from './genome.js';
import type { Surrogate } from './surrogate.js';

/** Changes that one filling makes at most; a child of feasible parents needs about four. */
const MAX_CHANGES = 30;
/** How far chance favors one change over a better one: each guess is weighed by 1 to 1.5, so that equal children fill differently. */
const SPREAD = 0.5;

/** An additive cost and how much of it may be used. */
export interface AdditiveLimit {
  readonly cost: BlockCosts;
  readonly max: number;
}

export interface FillParts {
  readonly genetics: Genetics;
  readonly surrogate: Surrogate;
  readonly limits: readonly AdditiveLimit[];
  readonly rng: Rng;
}

/** Where a genome stands: what is left of each limit, and the tables of its resolution. */
interface Standing {
  readonly left: Float64Array;
  readonly blocks: readonly Float64Array[];
}

/** Relative excess over the limits that a change takes away, or 0 if it adds to one that is exceeded. */
function relief({ left, blocks }: Standing, limits: readonly AdditiveLimit[], from: number, to: number): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) {
    if (left[i]! >= 0) continue;
    const saved = blocks[i]![from]! - blocks[i]![to]!;
    if (saved <= 0) return 0;
    sum += Math.min(saved, -left[i]!) / Math.abs(limits[i]!.max || 1);
  }
  return sum;
}

function keeps({ left, blocks }: Standing, from: number, to: number): boolean {
  for (let i = 0; i < left.length; i++) if (blocks[i]![to]! - blocks[i]![from]! > left[i]!) return false;
  return true;
}

/** The change of one block that is best now: the least guessed loss per excess taken away, or the most guessed gain that fits. */
function bestChange({ genetics, surrogate, limits, rng }: FillParts, genome: Genome, at: Standing): number {
  const { choices, offsets } = genetics;
  const { count } = choices;
  const isOver = at.left.some((rest) => rest < 0);
  const gains = new Float64Array(count);
  let best = -1;
  let bestWorth = isOver ? Number.NEGATIVE_INFINITY : 0;
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = endOfActive(genetics, genome, stage);
    for (let slot = offsets[stage]!; slot < end; slot++) {
      const from = slot * count + genome[slot]!;
      surrogate.gains(genome, slot, slot + 1 < end, gains);
      for (let choice = 0; choice < count; choice++) {
        const to = slot * count + choice;
        const gain = gains[choice]!;
        if (to === from || (!isOver && gain * (1 + SPREAD) <= bestWorth)) continue;
        const freed = isOver ? relief(at, limits, from, to) : 1;
        if (isOver ? freed === 0 : !keeps(at, from, to)) continue;
        const worth = (gain * (1 + SPREAD * rng.next())) / freed;
        if (worth <= bestWorth) continue;
        best = to;
        bestWorth = worth;
      }
    }
  }
  return best;
}

/**
 * Brings a genome to its limits, in place: while it exceeds one, the block changes that lose least per excess taken away; then those
 * that gain most and fit. Gains are the surrogate's guesses, so a child costs no evaluation before it uses the whole budget.
 * @returns the genome; undefined where block changes alone cannot make it fit
 */
export function fill(parts: FillParts, genome: Genome): Genome | undefined {
  const { genetics, limits } = parts;
  const resolution = genome[genetics.length - 1]!;
  const at: Standing = {
    left: Float64Array.from(limits, ({ cost, max }) => max - cost.of(genome)),
    blocks: limits.map(({ cost }) => cost.blocks[resolution]!),
  };
  const { count } = genetics.choices;
  for (let change = 0; change < MAX_CHANGES; change++) {
    const to = bestChange(parts, genome, at);
    if (to < 0) break;
    const slot = Math.floor(to / count);
    const from = slot * count + genome[slot]!;
    for (let i = 0; i < limits.length; i++) at.left[i] = at.left[i]! + at.blocks[i]![from]! - at.blocks[i]![to]!;
    genome[slot] = to - slot * count;
  }
  return at.left.some((rest) => rest < 0) ? undefined : genome;
}
