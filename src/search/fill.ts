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

/** Where a genome stands. Mutable: it changes with the genome. */
interface Standing {
  /** What is left of each limit. */
  readonly left: Float64Array;
  /** The tables of its resolution. */
  readonly blocks: readonly Float64Array[];
  /** Guessed gain of each choice, `[slot * choices + choice]`; those of inactive slots are not read. */
  readonly gains: Float64Array;
  /** For each slot one past the last active slot of its stage. */
  readonly ends: Uint8Array;
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

function isOver({ left }: Standing): boolean {
  for (let i = 0; i < left.length; i++) if (left[i]! < 0) return true;
  return false;
}

/** Guesses the gains of a slot's choices anew. */
function guessSlot({ genetics, surrogate }: FillParts, genome: Genome, at: Standing, slot: number): void {
  const { count } = genetics.choices;
  surrogate.gains(genome, slot, slot + 1 < at.ends[slot]!, at.gains.subarray(slot * count, (slot + 1) * count));
}

/** The change that loses least per excess taken away; -1 where none helps. */
function bestLoss({ genetics, limits, rng }: FillParts, genome: Genome, at: Standing): number {
  const { count } = genetics.choices;
  let best = -1;
  let bestWorth = Number.NEGATIVE_INFINITY;
  for (let slot = 0; slot < at.ends.length; slot++) {
    if (slot >= at.ends[slot]!) continue;
    const from = slot * count + genome[slot]!;
    for (let to = slot * count; to < (slot + 1) * count; to++) {
      const freed = to === from ? 0 : relief(at, limits, from, to);
      if (freed === 0) continue;
      const worth = at.gains[to]! / freed;
      if ((worth > 0 ? worth * (1 + SPREAD) : worth) <= bestWorth) continue; // chance cannot help it either
      const drawn = worth * (1 + SPREAD * rng.next());
      if (drawn <= bestWorth) continue;
      best = to;
      bestWorth = drawn;
    }
  }
  return best;
}

/** The change that gains most and fits; -1 where none gains. */
function bestGain({ genetics, rng }: FillParts, genome: Genome, at: Standing): number {
  const { count } = genetics.choices;
  let best = -1;
  let bestWorth = 0;
  for (let slot = 0; slot < at.ends.length; slot++) {
    if (slot >= at.ends[slot]!) continue;
    const from = slot * count + genome[slot]!;
    for (let to = slot * count; to < (slot + 1) * count; to++) {
      const gain = at.gains[to]!;
      if (gain * (1 + SPREAD) <= bestWorth || to === from || !keeps(at, from, to)) continue;
      const drawn = gain * (1 + SPREAD * rng.next());
      if (drawn <= bestWorth) continue;
      best = to;
      bestWorth = drawn;
    }
  }
  return best;
}

function standingOf(parts: FillParts, genome: Genome): Standing {
  const { genetics, limits } = parts;
  const { offsets, slots, choices, length } = genetics;
  const ends = new Uint8Array(slots);
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    ends.fill(endOfActive(genetics, genome, stage), offsets[stage]!, offsets[stage + 1]!);
  }
  const at: Standing = {
    left: Float64Array.from(limits, ({ cost, max }) => max - cost.of(genome)),
    blocks: limits.map(({ cost }) => cost.blocks[genome[length - 1]!]!),
    gains: new Float64Array(slots * choices.count),
    ends,
  };
  for (let slot = 0; slot < slots; slot++) if (slot < ends[slot]!) guessSlot(parts, genome, at, slot);
  return at;
}

/**
 * Brings a genome to its limits, in place: while it exceeds one, the block changes that lose least per excess taken away; then those
 * that gain most and fit. Gains are the surrogate's guesses, so a child costs no evaluation before it uses the whole budget.
 * @returns the genome; undefined where block changes alone cannot make it fit
 */
export function fill(parts: FillParts, genome: Genome): Genome | undefined {
  const { genetics } = parts;
  const { count } = genetics.choices;
  const at = standingOf(parts, genome);
  for (let change = 0; change < MAX_CHANGES; change++) {
    const to = isOver(at) ? bestLoss(parts, genome, at) : bestGain(parts, genome, at);
    if (to < 0) break;
    const slot = Math.floor(to / count);
    const from = slot * count + genome[slot]!;
    for (let i = 0; i < at.left.length; i++) at.left[i] = at.left[i]! + at.blocks[i]![from]! - at.blocks[i]![to]!;
    genome[slot] = to - slot * count;
    // A block's worth depends on its neighbors in the stage alone.
    guessSlot(parts, genome, at, slot);
    if (slot > 0 && at.ends[slot - 1] === at.ends[slot]) guessSlot(parts, genome, at, slot - 1);
    if (slot + 1 < at.ends[slot]!) guessSlot(parts, genome, at, slot + 1);
  }
  return isOver(at) ? undefined : genome;
}
