import { type Rng, shuffled } from '../common/rng.js';
import { type Genetics, type Genome, normalize } from './genome.js';
import type { Limits } from './limits.js';

/** The genes of a genome that are above their smallest choice, in random order. */
function orderOf(genome: Genome, rng: Rng): number[] {
  const genes: number[] = [];
  for (let gene = 0; gene < genome.length; gene++) if (genome[gene]! > 0) genes.push(gene);
  return shuffled(genes, rng);
}

/** A genome that is being shrunk. Mutable. */
interface Shrinking {
  readonly genome: Genome;
  /** Its genes above their smallest choice, in the order in which they are set to it. */
  readonly order: readonly number[];
  /** The genome with so many of them set as were tried last. */
  readonly made: Genome;
  /** The fewest that may do. */
  fewest: number;
  /** So many do, or else it is all of them. */
  enough: number;
  tried: number;
}

function attempt(genetics: Genetics, { genome, order, made, tried }: Shrinking): void {
  made.set(genome);
  for (let step = 0; step < tried; step++) made[order[step]!] = 0;
  normalize(genetics, made);
}

/**
 * Makes genomes feasible: sets their genes to the smallest choice one by one, in random order, just until all limits are met.
 * The step is found by halving, as costs fall (or nearly so) along the way; a genome that stays infeasible is left out.
 * Loops without closures, as a search begins with this: what it makes is compiled once, not for each search.
 * @param genomes are not changed
 */
export function shrinkToFit(genetics: Genetics, genomes: readonly Genome[], limits: Limits, rng: Rng): Genome[] {
  const all: Shrinking[] = [];
  const made: Genome[] = [];
  for (const genome of genomes) {
    const order = orderOf(genome, rng);
    made.push(new Uint8Array(genetics.length));
    all.push({ genome, order, made: made[made.length - 1]!, fewest: 0, enough: order.length, tried: 0 });
  }
  const rounds = Math.ceil(Math.log2(genetics.length + 1));
  for (let round = 0; round <= rounds; round++) {
    for (const each of all) {
      each.tried = round === 0 ? 0 : Math.floor((each.fewest + each.enough) / 2);
      attempt(genetics, each);
    }
    const meets = limits.meetEach(made);
    for (let index = 0; index < all.length; index++) {
      const each = all[index]!;
      if (meets[index] === 1) each.enough = Math.min(each.enough, each.tried);
      else each.fewest = Math.min(each.enough, each.tried + 1);
    }
  }
  for (const each of all) {
    each.tried = each.enough;
    attempt(genetics, each);
  }
  const meets = limits.meetEach(made);
  return made.filter((_, index) => meets[index] === 1);
}
