import { makeRng } from '../common/rng.js';
import { takeApart } from './block-parts.js';
import type { CostFunction } from './costs.js';
import { endOfActive, type Genetics, type Genome, randomGenome, toArchs } from './genome.js';

/** Random genomes that tables are checked on before they are believed, and the relative difference that rounding may make. */
const CHECKED = 48;
const TOLERANCE = 1e-9;

/** A cost that adds up over blocks, as tables that are quick to ask about a genome. */
export interface BlockCosts {
  of(genome: Genome): number;
  /** What another value of a depth gene adds: blocks go, or such of the smallest choice come, which the depth's own figure has in it. */
  depthAdds(genome: Genome, gene: number, value: number): number;
  /** Per resolution what the deepest network of smallest choices costs. */
  readonly bases: readonly number[];
  /** Per resolution and stage what each depth gene's value changes. */
  readonly depths: readonly (readonly Float64Array[])[];
  /** Per resolution what each slot's choices change, `[slot * choices + choice]`. */
  readonly blocks: readonly Float64Array[];
  /** Per resolution each slot's choices by ascending cost, `[slot * choices + rank]`. */
  readonly ranked: readonly Uint8Array[];
}

/** Tables of one resolution. */
interface Tables {
  readonly base: number;
  readonly depths: readonly Float64Array[];
  readonly blocks: Float64Array;
}

class TabledCosts implements BlockCosts {
  readonly #genetics: Genetics;
  readonly #tables: readonly Tables[];
  readonly bases: readonly number[];
  readonly depths: readonly (readonly Float64Array[])[];
  readonly blocks: readonly Float64Array[];
  readonly ranked: readonly Uint8Array[];

  constructor(genetics: Genetics, tables: readonly Tables[]) {
    this.#genetics = genetics;
    this.#tables = tables;
    this.bases = tables.map(({ base }) => base);
    this.depths = tables.map(({ depths }) => depths);
    this.blocks = tables.map(({ blocks }) => blocks);
    this.ranked = this.blocks.map((rows) => rankChoices(rows, genetics.choices.count));
  }

  of(genome: Genome): number {
    const genetics = this.#genetics;
    const { choices, slots, offsets, length } = genetics;
    const { base, depths, blocks } = this.#tables[genome[length - 1]!]!;
    let sum = base;
    for (let stage = 0; stage + 1 < offsets.length; stage++) {
      sum += depths[stage]![genome[slots + stage]!]!;
      const end = endOfActive(genetics, genome, stage);
      for (let slot = offsets[stage]!; slot < end; slot++) sum += blocks[slot * choices.count + genome[slot]!]!;
    }
    return sum;
  }

  depthAdds(genome: Genome, gene: number, value: number): number {
    const genetics = this.#genetics;
    const { choices, slots, offsets, length } = genetics;
    const { depths, blocks } = this.#tables[genome[length - 1]!]!;
    const stage = gene - slots; // a stem has no depth where costs add up
    const [now, lists] = [genome[gene]!, genetics.depths[stage]!];
    const [from, to] = [offsets[stage]! + lists[now]!, offsets[stage]! + lists[value]!];
    let sum = depths[stage]![value]! - depths[stage]![now]!;
    for (let slot = to; slot < from; slot++) sum -= blocks[slot * choices.count + genome[slot]!]!;
    return sum;
  }
}

/** The choices of each slot by ascending cost; of equal ones the first comes first. */
function rankChoices(blocks: Float64Array, count: number): Uint8Array {
  const ranked = new Uint8Array(blocks.length);
  for (let start = 0; start < blocks.length; start += count) {
    const order = Array.from({ length: count }, (_, choice) => choice);
    ranked.set(
      order.sort((a, b) => blocks[start + a]! - blocks[start + b]! || a - b),
      start,
    );
  }
  return ranked;
}

/**
 * Finds out whether a cost adds up over blocks, by asking it; what the tables say is checked on random architectures.
 * @returns undefined where it does not add up, as peak memory does not
 */
export function probeBlockCosts(genetics: Genetics, cost: CostFunction): BlockCosts | undefined {
  const { choices, slots, resolutions } = genetics;
  const asked = { id: 'probed', max: Number.POSITIVE_INFINITY, cost };
  const tables: Tables[] = [];
  for (const index of resolutions.keys()) {
    const parts = takeApart(genetics, index, asked);
    if (parts === undefined) return undefined;
    const blocks = new Float64Array(slots * choices.count);
    for (const [slot, row] of parts.choices.entries()) blocks.set(row, slot * choices.count);
    tables.push({ base: parts.base, depths: parts.depths, blocks });
  }
  const tabled = new TabledCosts(genetics, tables);
  const rng = makeRng(slots); // any seed: the check must only be the same each time
  const checked: Genome[] = [];
  for (let made = 0; made < CHECKED; made++) checked.push(randomGenome(genetics, rng));
  const costs = cost(toArchs(genetics, checked));
  const addsUp = checked.every(
    (genome, i) => Math.abs(tabled.of(genome) - costs[i]!) <= TOLERANCE * Math.abs(costs[i]!),
  );
  return addsUp ? tabled : undefined;
}
