import { encodingLayout } from '../space/encoding.js';
import { endOfActive, type Genetics, type Genome } from './genome.js';

/** What changes of a genome are guessed to gain, before they are scored. Guesses are compared with each other alone. */
export interface Guess {
  /** A guess of the score, up to a constant. */
  of(genome: Genome): number;
  /** What a value of a gene after those of blocks and depths adds to that: of a width or the resolution. */
  worth(gene: number, value: number): number;
  /** A guess of the score up to another constant where a depth gene has a value: blocks go, or such of the smallest choice come. */
  depthWorth(genome: Genome, gene: number, value: number): number;
  /** Writes what each choice in an active slot is guessed to gain. @param hasNext whether the slot after it is active in the same stage */
  gains(genome: Genome, slot: number, hasNext: boolean, out: Float64Array): void;
}

/** Genomes as rows of an objective's encoding, without architectures in between. */
export interface Encoder {
  readonly features: number;
  /** Rows `[n, features]`. @param into what to write over, where it is long enough */
  rows(genomes: readonly Genome[], into?: Float32Array): Float32Array;
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

/** Where genes stand in an encoding. */
interface Places {
  readonly features: number;
  readonly kernels: number;
  readonly expands: number;
  readonly expandStart: number;
  /** Per block choice its kernel size and expand ratio, as indices. */
  readonly kernelOf: Uint8Array;
  readonly expandOf: Uint8Array;
  /** Of the genes that are not a block's. */
  readonly others: readonly Int32Array[];
}

/** Guesses by the slopes of one row. */
class SlopesGuess implements Guess {
  readonly #genetics: Genetics;
  readonly #places: Places;
  readonly #slopes: Float32Array;

  constructor(genetics: Genetics, places: Places, slopes: Float32Array) {
    this.#genetics = genetics;
    this.#places = places;
    this.#slopes = slopes;
  }

  of(genome: Genome): number {
    const genetics = this.#genetics;
    const { offsets, slots, length } = genetics;
    let sum = 0;
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      const end = endOfActive(genetics, genome, stage);
      for (let slot = offsets[stage]!; slot < end; slot++) {
        sum += this.#blockWorth(slot, genome[slot]!);
      }
    }
    for (let gene = slots; gene < length; gene++) sum += this.worth(gene, genome[gene]!);
    return sum;
  }

  worth(gene: number, value: number): number {
    const feature = this.#places.others[gene - this.#genetics.slots]![value]!;
    return feature === NONE ? 0 : this.#slopes[feature]!;
  }

  depthWorth(genome: Genome, gene: number, value: number): number {
    const { slots, stemDepths, offsets, depths } = this.#genetics;
    const index = gene - slots;
    let sum = this.worth(gene, value);
    if (index < stemDepths) return sum;
    const first = offsets[index - stemDepths]!;
    const [now, end] = [first + depths[index]![genome[gene]!]!, first + depths[index]![value]!];
    for (let slot = first; slot < end; slot++) sum += this.#blockWorth(slot, slot < now ? genome[slot]! : 0);
    return sum;
  }

  gains(genome: Genome, slot: number, _hasNext: boolean, out: Float64Array): void {
    const slopes = this.#slopes;
    const { kernels, expands, expandStart, kernelOf, expandOf } = this.#places;
    const { count } = this.#genetics.choices;
    const [kernel, expand] = [slot * kernels, expandStart + slot * expands];
    const now = genome[slot]!;
    const here = slopes[kernel + kernelOf[now]!]! + slopes[expand + expandOf[now]!]!;
    for (let choice = 0; choice < count; choice++) {
      out[choice] = slopes[kernel + kernelOf[choice]!]! + slopes[expand + expandOf[choice]!]! - here;
    }
  }

  /** What a choice of an active slot adds. */
  #blockWorth(slot: number, choice: number): number {
    const slopes = this.#slopes;
    const { kernels, expands, expandStart, kernelOf, expandOf } = this.#places;
    return slopes[slot * kernels + kernelOf[choice]!]! + slopes[expandStart + slot * expands + expandOf[choice]!]!;
  }
}

class GeneEncoder implements Encoder {
  readonly #genetics: Genetics;
  readonly #places: Places;
  readonly features: number;

  constructor(genetics: Genetics, places: Places) {
    this.#genetics = genetics;
    this.#places = places;
    this.features = places.features;
  }

  rows(genomes: readonly Genome[], into?: Float32Array): Float32Array {
    const size = genomes.length * this.features;
    const rows = into === undefined || into.length < size ? new Float32Array(size) : into.subarray(0, size).fill(0);
    for (let row = 0; row < genomes.length; row++) this.#write(rows, genomes[row]!, row * this.features);
    return rows;
  }

  guess(slopes: Float32Array): Guess {
    return new SlopesGuess(this.#genetics, this.#places, slopes);
  }

  #write(buffer: Float32Array, genome: Genome, start: number): void {
    const genetics = this.#genetics;
    const { offsets, slots, length } = genetics;
    const { kernels, expands, expandStart, kernelOf, expandOf, others } = this.#places;
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
  }
}

/** The encoder of an objective; undefined where the encoding lacks one of the resolutions. @param resolutions the encoding's list, pixels */
export function makeEncoder(genetics: Genetics, resolutions: readonly number[]): Encoder | undefined {
  if (!genetics.resolutions.every((each) => resolutions.includes(each))) return undefined;
  const { kernels, expands, expandStart, features } = encodingLayout(genetics.space, resolutions);
  const { length } = genetics.choices.of;
  const kernelOf = Uint8Array.from({ length }, (_, choice) => Math.floor(choice / expands));
  const expandOf = Uint8Array.from({ length }, (_, choice) => choice % expands);
  const others = featuresOfOthers(genetics, resolutions);
  return new GeneEncoder(genetics, { features, kernels, expands, expandStart, kernelOf, expandOf, others });
}
