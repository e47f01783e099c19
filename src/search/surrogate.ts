import { endOfActive, type Genetics, type Genome } from './genome.js';

/** Share of an error that one update takes away; below 1, as the objective is not exactly of the surrogate's form. */
const STEP = 0.3;

/**
 * A cheap guess of the objective, learned as the search goes: a sum of one weight per gene value and one per pair of neighbouring blocks.
 * Only its order matters: it picks which architectures are worth a real evaluation. Mutable: `learn` changes it.
 */
export interface Surrogate {
  guess(genome: Genome): number;
  /** Moves the weights toward a scored genome (normalized least mean squares; Widrow and Hoff 1960). */
  learn(genome: Genome, score: number): void;
}

/** A surrogate that knows nothing yet. */
export function makeSurrogate(genetics: Genetics): Surrogate {
  const { slots, offsets, choices } = genetics;
  const count = choices.count;
  const geneStride = Math.max(...genetics.values);
  const single = new Float64Array(genetics.length * geneStride);
  const pair = new Float64Array(slots * count * count);
  let mean = Number.NaN;

  /** Indices of the weights in use: into `single`, and offset by its length into `pair`. */
  const active = new Int32Array(slots + genetics.length);
  const collect = (genome: Genome): number => {
    let used = 0;
    for (let gene = slots; gene < genetics.length; gene++) active[used++] = gene * geneStride + genome[gene]!;
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const first = offsets[stage]!;
      const end = endOfActive(genetics, genome, stage);
      for (let slot = first; slot < end; slot++) {
        active[used++] = slot * geneStride + genome[slot]!;
        if (slot === first) continue;
        active[used++] = single.length + (slot * count + genome[slot - 1]!) * count + genome[slot]!;
      }
    }
    return used;
  };
  const sum = (used: number): number => {
    let total = mean;
    for (let i = 0; i < used; i++) {
      const index = active[i]!;
      total += index < single.length ? single[index]! : pair[index - single.length]!;
    }
    return total;
  };
  return {
    guess: (genome) => sum(collect(genome)),
    learn: (genome, score) => {
      if (Number.isNaN(mean)) mean = score;
      const used = collect(genome);
      const step = (STEP * (score - sum(used))) / used;
      for (let i = 0; i < used; i++) {
        const index = active[i]!;
        if (index < single.length) single[index] = single[index]! + step;
        else pair[index - single.length] = pair[index - single.length]! + step;
      }
    },
  };
}
