import { type BlockCosts, probeBlockCosts } from './block-costs.js';
import { type AllowedBlocks, probeAllowedBlocks } from './block-peaks.js';
import type { CostFunction } from './costs.js';
import { type Genetics, type Genome, toArch, toArchs } from './genome.js';
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
  /** The same of many: 1 where every one is met. What does not add up is asked about all of them together. */
  meetEach(genomes: readonly Genome[]): Uint8Array;
}

/** A cost as it is best asked. */
class AskedCost implements GenomeCost {
  readonly #genetics: Genetics;
  readonly #cost: CostFunction;
  readonly additive: BlockCosts | undefined;

  constructor(genetics: Genetics, cost: CostFunction) {
    this.#genetics = genetics;
    this.#cost = cost;
    this.additive = probeBlockCosts(genetics, cost);
  }

  of(genomes: readonly Genome[]): Float64Array {
    const { additive } = this;
    if (additive === undefined) return this.#cost(toArchs(this.#genetics, genomes));
    const costs = new Float64Array(genomes.length);
    for (let i = 0; i < costs.length; i++) costs[i] = additive.of(genomes[i]!);
    return costs;
  }
}

/** A limit that can be asked as the constraint itself. */
interface NamedLimit extends Limit {
  readonly constraint: Constraint;
}

/** A constraint, as it is best asked. */
function limitOf(genetics: Genetics, constraint: Constraint): NamedLimit {
  const asked: CostFunction = (archs) => constraint.cost(archs);
  const limit = { constraint, cost: new AskedCost(genetics, asked), max: constraint.max };
  const allowed = limit.cost.additive === undefined ? probeAllowedBlocks(genetics, asked, limit.max) : undefined;
  return allowed === undefined ? limit : { ...limit, allowed };
}

class SearchLimits implements Limits {
  readonly #genetics: Genetics;
  readonly list: readonly NamedLimit[];
  readonly axis: GenomeCost;

  constructor(genetics: Genetics, list: readonly NamedLimit[], axis: GenomeCost) {
    this.#genetics = genetics;
    this.list = list;
    this.axis = axis;
  }

  meets(genome: Genome): boolean {
    for (const limit of this.list) if (!this.#isMet(limit, genome)) return false;
    return true;
  }

  meetEach(genomes: readonly Genome[]): Uint8Array {
    const meets = new Uint8Array(genomes.length).fill(1);
    for (const limit of this.list) {
      if (limit.cost.additive !== undefined) {
        for (let i = 0; i < meets.length; i++) if (meets[i] === 1 && !this.#isMet(limit, genomes[i]!)) meets[i] = 0;
        continue;
      }
      const costs = limit.cost.of(genomes);
      for (let i = 0; i < meets.length; i++) if (!(costs[i]! <= limit.max)) meets[i] = 0; // NaN meets nothing
    }
    return meets;
  }

  #isMet({ cost, max, constraint }: NamedLimit, genome: Genome): boolean {
    const sum = cost.additive?.of(genome);
    if (sum !== undefined && Math.abs(sum - max) > ROUNDING * Math.abs(max)) return sum < max;
    return constraint.cost([toArch(this.#genetics, genome)])[0]! <= constraint.max; // NaN meets nothing
  }
}

/** The constraints of a search. @param axis along what its front runs, an architecture's cost */
export function makeLimits(
  genetics: Genetics,
  constraints: readonly Constraint[],
  { axis, axisId }: { readonly axis: CostFunction; readonly axisId: string },
): Limits {
  const list = constraints.map((constraint) => limitOf(genetics, constraint));
  const limited = list.find(({ constraint }) => constraint.id === axisId)?.cost;
  return new SearchLimits(genetics, list, limited ?? new AskedCost(genetics, axis));
}
