import { type Genetics, type Genome, normalize } from './genome.js';

/** Every genome that differs from the given one in one active gene, and first the genome itself. */
export function neighbors(genetics: Genetics, genome: Genome): Genome[] {
  const found = [genome];
  for (let gene = 0; gene < genetics.length; gene++) {
    for (let value = 0; value < genetics.values[gene]!; value++) {
      if (value === genome[gene]) continue;
      const made = genome.slice();
      made[gene] = value;
      if (normalize(genetics, made)[gene] !== value) break; // the gene's slot is inactive
      found.push(made);
    }
  }
  return found;
}
