import { combine } from './combine.js';
import { crossGenomes, type Genome, genomeKey, mutateGenome, randomGenome } from './genome.js';
import { fillTo, type Run } from './run.js';
import type { Scored } from './scorer.js';
import { shrinkToFit } from './shrink.js';
import { neighbors } from './swaps.js';

/** Architectures offered per generation by evolution, and by combining guessed changes of a center, at most. */
const CHILDREN = 100;
const COMBINATIONS = 30;
/** Generations that a budget is spread over at least. */
const MIN_GENERATIONS = 50;
/** Random architectures per generation, against stalling. */
const IMMIGRANTS = 4;
/** How often a center is the best of one resolution and not of all. */
const NICHE_CENTER_CHANCE = 0.3;
/** A best architecture is a center this often before the next best is. */
const VISITS_PER_CENTER = 3;
/** Chance of each gene to be drawn anew, about one gene in 26; and of a child having two parents. */
const MUTATION_CHANCE = 0.05;
const CROSSOVER_CHANCE = 0.5;

/** How often each genome has been a center, by key. */
export type Visits = Map<number, number>;

/** Pairs and threes of changes of a good center, by the surrogate's guesses alone. */
function guessedCombinations(run: Run, visits: Visits, count: number): Genome[] {
  const { genetics, pool, rng, surrogate, scorer, limits } = run;
  const keyOf = ({ genome }: Scored): number => genomeKey(genetics, genome);
  const from = rng.chance(NICHE_CENTER_CHANCE) ? pool.pickNiche(rng) : pool.elite;
  const center = from.find((each) => (visits.get(keyOf(each)) ?? 0) < VISITS_PER_CENTER) ?? rng.pick(from);
  visits.set(keyOf(center), (visits.get(keyOf(center)) ?? 0) + 1);
  const around = neighbors(genetics, center.genome);
  const here = surrogate.guess(center.genome);
  const rows = limits.list.map(({ cost }) => cost.of(around.map(({ genome }) => genome)));
  const changes = {
    center: center.genome,
    neighbors: around,
    gains: Float64Array.from(around, ({ genome }, index) => (index === 0 ? 0 : surrogate.guess(genome) - here)),
    added: rows.map((row) => row.map((each) => each - row[0]!)),
    slack: limits.list.map(({ max }, index) => max - rows[index]![0]!),
  };
  return combine(genetics, changes, count, (genome) => scorer.scoreOf(genome) !== undefined);
}

/** A child by mutation or crossover whose blocks are then brought to what may be spent. */
function makeChild(run: Run): Genome {
  const { genetics, pool, rng } = run;
  const { first, second, ceiling } = pool.pickParents(rng);
  const child = rng.chance(CROSSOVER_CHANCE)
    ? crossGenomes(genetics, first.genome, second.genome, rng)
    : mutateGenome(genetics, first.genome, MUTATION_CHANCE, rng);
  return run.options.without?.includes('fill') ? child : (fillTo(run, child, ceiling) ?? child);
}

/** The next generation: guessed combinations around a center, children of mutation and crossover, a few immigrants. */
export function breed(run: Run, visits: Visits): Genome[] {
  const { genetics, rng, options } = run;
  const share = Math.ceil(options.evaluations / MIN_GENERATIONS);
  const guessed = Math.min(COMBINATIONS, Math.ceil(share / 3));
  const offered = options.without?.includes('guesses') ? [] : guessedCombinations(run, visits, guessed);
  const children = Math.min(CHILDREN, share);
  for (let i = 0; i < children; i++) offered.push(makeChild(run));
  const immigrants = Array.from({ length: IMMIGRANTS }, () => randomGenome(genetics, rng));
  offered.push(...shrinkToFit(genetics, immigrants, options.constraints, rng));
  return offered;
}
