import { encodingLayout } from '../space/encoding.js';
import { endOfActive, type Genetics, type Genome } from './genome.js';

/** What changes of a genome are guessed to gain, before they are scored. Guesses are compared with each other alone. */
export interface Guess {
  /** A guess of the score, up to a constant. */
  of(genome: Genome): number;
  /** What a value of a gene after those of blocks and depths adds to that: of a width or the resolution. */
  worth(gene: number, value: number): number;
  /** Writes what each choice in an active slot is guessed to gain. @param hasNext whether the slot after it is active in the same stage */
  gains(genome: Genome, slot: number, hasNext: boolean, out: Float64Array): void;
}

/** Genomes as rows of an objective's encoding, without architectures in between. */
export interface Encoder {
  readonly features: number;
  /** Rows `[n, features]`. */
  rows(genomes: readonly Genome[]): Float32Array;
  /** Guesses by the slopes of one row: what a change gains to first order. @param slopes `[features]` */
  guess(slopes: Float32Array): Guess;
}

const NONE = -1;

/** For each gene that is not a block's the feature of each of its values; {@link NONE} where the encoding has none: blocks tell a stage's depth. */
function featuresOfOthers(genetics: Genetics, resolutions: readonly number[]): Int32Array[] {
  const { stem, widths, resolution } = encodingLayout(genetics.space, resolutions);
  const { slots, depths, stemDepths, length } = genetics;
  const fields = new Map([...widths.entries()].map(([index, { start }]) => [slots + depths.length + index, start]));
  if (stem !== undefined && stemDepths > 0) fields.set(slots, stem.start);
  return Array.from({ length: length - slots }, (_, index) => {
    const gene = slots + index;
    const start = fields.get(gene);
    return Int32Array.from({ length: genetics.values[gene]! }, (__, value) => {
      if (gene === length - 1) return resolution.start + resolutions.indexOf(genetics.resolutions[value]!);
      return start === undefined ? NONE : start + value;
    });
  });
}

/** The encoder of an objective; undefined where the encoding lacks one of the resolutions. @param resolutions the encoding's list, pixels */
export function makeEncoder(genetics: Genetics, resolutions: readonly number[]): Encoder | undefined {
  if (!genetics.resolutions.every((each) => resolutions.includes(each))) return undefined;
  const { kernels, expands, expandStart, features } = encodingLayout(genetics.space, resolutions);
  const { slots, offsets, choices, length } = genetics;
  const others = featuresOfOthers(genetics, resolutions);
  const kernelOf = Uint8Array.from({ length: choices.count }, (_, choice) => Math.floor(choice / expands));
  const expandOf = Uint8Array.from({ length: choices.count }, (_, choice) => choice % expands);
  const write = (buffer: Float32Array, genome: Genome, start: number): void => {
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const end = endOfActive(genetics, genome, stage);
      for (let slot = offsets[stage]!; slot < end; slot++) {
        buffer[start + slot * kernels + kernelOf[genome[slot]!]!] = 1;
        buffer[start + expandStart + slot * expands + expandOf[genome[slot]!]!] = 1;
      }
    }
    for (let gene = slots; gene < length; gene++) {
      const feature = others[gene - slots]![genome[gene]!]!;
      if (feature !== NONE) buffer[start + feature] = 1;
    }
  };
  const guess = (slopes: Float32Array): Guess => {
    const worth = new Float64Array(slots * choices.count);
    for (let slot = 0, at = 0; slot < slots; slot++) {
      for (let choice = 0; choice < choices.count; choice++, at++) {
        const expand = slopes[expandStart + slot * expands + expandOf[choice]!]!;
        worth[at] = slopes[slot * kernels + kernelOf[choice]!]! + expand;
      }
    }
    return {
      of: (genome) => {
        let sum = 0;
        for (let stage = 0; stage + 1 < offsets.length; stage++) {
          const end = endOfActive(genetics, genome, stage);
          for (let slot = offsets[stage]!; slot < end; slot++) sum += worth[slot * choices.count + genome[slot]!]!;
        }
        for (let gene = slots; gene < length; gene++) {
          const feature = others[gene - slots]![genome[gene]!]!;
          if (feature !== NONE) sum += slopes[feature]!;
        }
        return sum;
      },
      worth: (gene, value) => {
        const feature = others[gene - slots]![value]!;
        return feature === NONE ? 0 : slopes[feature]!;
      },
      gains: (genome, slot, _hasNext, out) => {
        const first = slot * choices.count;
        const here = worth[first + genome[slot]!]!;
        for (let choice = 0; choice < choices.count; choice++) out[choice] = worth[first + choice]! - here;
      },
    };
  };
  return {
    features,
    guess,
    rows: (genomes) => {
      const rows = new Float32Array(genomes.length * features);
      for (let row = 0; row < genomes.length; row++) write(rows, genomes[row]!, row * features);
      return rows;
    },
  };
}
