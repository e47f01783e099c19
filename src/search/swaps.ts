import { type Genetics, type Genome, normalize } from './genome.js';

/** A genome that differs from a center in one active gene; the center itself has the gene -1. */
export interface Neighbor {
  readonly gene: number;
  readonly value: number;
  readonly genome: Genome;
}

/** Every genome that differs from the given one in one active gene, and first the genome itself. */
export function neighbors(genetics: Genetics, genome: Genome): Neighbor[] {
  const found: Neighbor[] = [{ gene: -1, value: 0, genome }];
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
