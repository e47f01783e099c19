import { type Rng, shuffled } from '../common/rng.js';
import { meetsAll } from './costs.js';
import { type Genetics, type Genome, normalize, toArch } from './genome.js';
import type { Constraint } from './types.js';

/**
 * Makes genomes feasible: sets their genes to the smallest choice one by one, in random order, just until all constraints are met.
 * The step is found by halving, as costs fall (or nearly so) along the way; a genome that stays infeasible is left out.
 * @param genomes are not changed
 */
export function shrinkToFit(
  genetics: Genetics,
  genomes: readonly Genome[],
  constraints: readonly Constraint[],
  rng: Rng,
): Genome[] {
  const orders = genomes.map((genome) => {
    const genes = Array.from(genome.keys()).filter((gene) => genome[gene]! > 0);
    return shuffled(genes, rng);
  });
  const shrunk = (index: number, steps: number): Genome => {
    const made = genomes[index]!.slice();
    for (let step = 0; step < steps; step++) made[orders[index]![step]!] = 0;
    return normalize(genetics, made);
  };
  const fewest = new Array<number>(genomes.length).fill(0);
  const enough = orders.map((genes) => genes.length);
  const rounds = Math.ceil(Math.log2(genetics.length + 1));
  for (let round = 0; round <= rounds; round++) {
    const steps = enough.map((high, index) => (round === 0 ? 0 : Math.floor((fewest[index]! + high) / 2)));
    const meets = meetsAll(
      constraints,
      steps.map((step, index) => toArch(genetics, shrunk(index, step))),
    );
    meets.forEach((isFeasible, index) => {
      if (isFeasible) enough[index] = Math.min(enough[index]!, steps[index]!);
      else fewest[index] = Math.min(enough[index]!, steps[index]! + 1);
    });
  }
  const fitted = enough.map((steps, index) => shrunk(index, steps));
  const meets = meetsAll(
    constraints,
    fitted.map((genome) => toArch(genetics, genome)),
  );
  return fitted.filter((_, index) => meets[index]);
}
