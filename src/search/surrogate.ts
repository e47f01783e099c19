import { endOfActive, type Genetics, type Genome, normalize } from './genome.js';
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

/** Of each genome that was learned its score and the indices of its weights, a row each; the row after the last is for guesses. */
interface Log {
  readonly capacity: number;
  readonly active: Int32Array;
  readonly used: Uint16Array;
  readonly scores: Float64Array;
}

/** A log with room for so many rows, beginning with those of another one. */
function makeLog(capacity: number, stride: number, before?: Log): Log {
  const log = {
    capacity,
    active: new Int32Array((capacity + 1) * stride),
    used: new Uint16Array(capacity + 1),
    scores: new Float64Array(capacity + 1),
  };
  if (before === undefined) return log;
  log.active.set(before.active);
  log.used.set(before.used);
  log.scores.set(before.scores);
  return log;
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
  let mean = Number.NaN;
  let draw = 1;
  const stride = slots + genetics.length;
  let log = makeLog(1024, stride);
  let known = 0;
  /** Writes the indices of a genome's weights into a row. */
  const collect = (genome: Genome, row: number): void => {
    const { active, used } = log;
    let at = row * stride;
    for (let gene = slots; gene < genetics.length; gene++) active[at++] = gene * geneStride + genome[gene]!;
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const first = offsets[stage]!;
      const end = endOfActive(genetics, genome, stage);
      for (let slot = first; slot < end; slot++) {
        active[at++] = slot * geneStride + genome[slot]!;
        if (slot > first) active[at++] = pairs + (slot * count + genome[slot - 1]!) * count + genome[slot]!;
      }
    }
    used[row] = at - row * stride;
  };
  const sum = (row: number): number => {
    let total = mean;
    const end = row * stride + log.used[row]!;
    for (let i = row * stride; i < end; i++) total += weights[log.active[i]!]!;
    return total;
  };
  const guess = (genome: Genome): number => {
    collect(genome, known);
    return sum(known);
  };
  const update = (row: number): void => {
    const { active, used, scores } = log;
    const [step, end] = [(STEP * (scores[row]! - sum(row))) / used[row]!, row * stride + used[row]!];
    for (let i = row * stride; i < end; i++) weights[active[i]!] = weights[active[i]!]! + step;
  };
  return {
    of: guess,
    worth: (gene, value) => weights[gene * geneStride + value]!,
    depthWorth: (genome, gene, value) => guess(normalize(genetics, genome.with(gene, value))),
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
      if (known === log.capacity) log = makeLog(2 * known, stride, log);
      collect(genome, known);
      log.scores[known] = score;
      update(known++);
      for (let replay = 0; replay < REPLAYS; replay++) {
        draw = (Math.imul(draw, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator: which ones does not matter
        update(Math.floor((draw / 2 ** 32) * known));
      }
    },
  };
}
