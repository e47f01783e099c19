import { type BlockCosts, probeBlockCosts } from './block-costs.js';
import { type AllowedBlocks, probeAllowedBlocks } from './block-peaks.js';
import type { CostFunction } from './costs.js';
import { type Genetics, type Genome, toArch } from './genome.js';
import type { Constraint } from './types.js';

/** Closer to a limit than this share of it, a table's sum is not trusted: the constraint itself is asked. */
export const ROUNDING = 1e-9;

/** A cost of genomes: by table where it adds up over blocks, else by asking. */
export interface GenomeCost {
  readonly additive: BlockCosts | undefined;
  of(genomes: readonly Genome[]): Float64Array;
}

/** A cost and how much of it may be used. */
export interface Limit {
  readonly cost: GenomeCost;
  readonly max: number;
  /** The blocks that may be, where the limit holds for a network just if it holds for each of its blocks. */
  readonly allowed?: AllowedBlocks;
}

/** The constraints of a search on genomes. */
export interface Limits {
  readonly list: readonly Limit[];
  /** The cost that the front runs along. */
  readonly axis: GenomeCost;
  /** Whether a genome meets every constraint; exactly what the constraints say. */
  meets(genome: Genome): boolean;
}

/** A cost as it is best asked. */
function makeGenomeCost(genetics: Genetics, cost: CostFunction): GenomeCost {
  const additive = probeBlockCosts(genetics, cost);
  const asked = (genomes: readonly Genome[]): Float64Array => cost(genomes.map((genome) => toArch(genetics, genome)));
  const summed = (genomes: readonly Genome[]): Float64Array => {
    const costs = new Float64Array(genomes.length);
    for (let i = 0; i < costs.length; i++) costs[i] = additive!.of(genomes[i]!);
    return costs;
  };
  return { additive, of: additive === undefined ? asked : summed };
}

/** A constraint, as it is best asked. */
function limitOf(genetics: Genetics, constraint: Constraint): Limit {
  const asked: CostFunction = (archs) => constraint.cost(archs);
  const limit = { cost: makeGenomeCost(genetics, asked), max: constraint.max };
  const allowed = limit.cost.additive === undefined ? probeAllowedBlocks(genetics, asked, limit.max) : undefined;
  return allowed === undefined ? limit : { ...limit, allowed };
}

/** The constraints of a search. @param axis along what its front runs, an architecture's cost */
export function makeLimits(
  genetics: Genetics,
  constraints: readonly Constraint[],
  { axis, axisId }: { readonly axis: CostFunction; readonly axisId: string },
): Limits {
  const list = constraints.map((constraint) => ({
    id: constraint.id,
    ...limitOf(genetics, constraint),
    exact: (genome: Genome) => constraint.cost([toArch(genetics, genome)])[0]! <= constraint.max, // NaN meets nothing
  }));
  const isMet = ({ cost, max, exact }: (typeof list)[number], genome: Genome): boolean => {
    if (cost.additive === undefined) return exact(genome);
    const sum = cost.additive.of(genome);
    return Math.abs(sum - max) > ROUNDING * Math.abs(max) ? sum < max : exact(genome);
  };
  return {
    list,
    axis: list.find(({ id }) => id === axisId)?.cost ?? makeGenomeCost(genetics, axis),
    meets: (genome) => list.every((limit) => isMet(limit, genome)),
  };
}
