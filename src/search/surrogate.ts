import { endOfActive, type Genetics, type Genome } from './genome.js';
import type { Guess } from './guess.js';

/** Share of an error that one update takes away; below 1, as the objective is not exactly of the surrogate's form. */
const STEP = 0.3;
/** Earlier genomes that are learned once more beside each new one. */
const REPLAYS = 2;

/**
 * A cheap guess of an objective without slopes, learned as the search goes: a sum of one weight per gene value and one per pair of
 * neighboring blocks. Mutable: `learn` changes it.
 */
export interface Surrogate extends Guess {
  /** Moves the weights toward a scored genome (normalized least mean squares; Widrow and Hoff 1960), and toward a few earlier ones. */
  learn(genome: Genome, score: number): void;
}

/** A surrogate that knows nothing yet. */
export function makeSurrogate(genetics: Genetics): Surrogate {
  const { slots, offsets, choices } = genetics;
  const count = choices.count;
  const geneStride = Math.max(...genetics.values);
  const pairs = genetics.length * geneStride; // where the weights of pairs begin
  const weights = new Float64Array(pairs + slots * count * count);
  const isFirst = new Uint8Array(slots);
  for (const offset of offsets) isFirst[offset] = 1;
  const known: { readonly genome: Genome; readonly score: number }[] = [];
  let mean = Number.NaN;
  let draw = 1;

  /** Indices of the weights in use. */
  const active = new Int32Array(slots + genetics.length);
  const collect = (genome: Genome): number => {
    let used = 0;
    for (let gene = slots; gene < genetics.length; gene++) active[used++] = gene * geneStride + genome[gene]!;
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const first = offsets[stage]!;
      const end = endOfActive(genetics, genome, stage);
      for (let slot = first; slot < end; slot++) {
        active[used++] = slot * geneStride + genome[slot]!;
        if (slot > first) active[used++] = pairs + (slot * count + genome[slot - 1]!) * count + genome[slot]!;
      }
    }
    return used;
  };
  const sum = (used: number): number => {
    let total = mean;
    for (let i = 0; i < used; i++) total += weights[active[i]!]!;
    return total;
  };
  const update = (genome: Genome, score: number): void => {
    const used = collect(genome);
    const step = (STEP * (score - sum(used))) / used;
    for (let i = 0; i < used; i++) weights[active[i]!] = weights[active[i]!]! + step;
  };
  return {
    of: (genome) => sum(collect(genome)),
    gains: (genome, slot, hasNext, out) => {
      const now = genome[slot]!;
      const own = slot * geneStride;
      const before = isFirst[slot] === 0 ? pairs + (slot * count + genome[slot - 1]!) * count : -1;
      const after = hasNext ? pairs + (slot + 1) * count * count + genome[slot + 1]! : -1;
      for (let choice = 0; choice < count; choice++) {
        let worth = weights[own + choice]!;
        if (before >= 0) worth += weights[before + choice]!;
        if (after >= 0) worth += weights[after + choice * count]!;
        out[choice] = worth;
      }
      const here = out[now]!;
      for (let choice = 0; choice < count; choice++) out[choice] = out[choice]! - here;
    },
    learn: (genome, score) => {
      if (Number.isNaN(mean)) mean = score;
      update(genome, score);
      known.push({ genome, score });
      for (let replay = 0; replay < REPLAYS; replay++) {
        draw = (Math.imul(draw, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator: which ones does not matter
        const { genome: earlier, score: its } = known[Math.floor((draw / 2 ** 32) * known.length)]!;
        update(earlier, its);
      }
    },
  };
}
