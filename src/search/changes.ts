import { invariant } from '../common/invariant.js';
import { type AllowedBlocks, areAllowed } from './block-peaks.js';
import { endOfActive, type Genetics, type Genome, normalize } from './genome.js';
import type { Guess } from './guess.js';
import type { Limit } from './limits.js';

/** The gene of the change that changes nothing. */
export const NO_GENE = -1;

/**
 * The single changes of a center by descending gain, as lists in step; one of them is to change nothing. Where the center keeps the limits,
 * those are left out that lose more than any two others gain.
 */
export interface Changes {
  readonly center: Genome;
  readonly count: number;
  /** The gene that each changes, or {@link NO_GENE}. */
  readonly genes: Int16Array;
  /** Its new value. */
  readonly values: Uint8Array;
  /** What it is guessed to gain. */
  readonly gains: Float64Array;
  /** Per limit whose cost is counted what each adds to it; limits that hold block by block leave out what they do not allow. */
  readonly added: readonly Float64Array[];
  /** Per limit what may be added; negative where the center breaks it. */
  readonly slack: Float64Array;
}

/** Lists in step that are being filled. Mutable. */
interface Lists {
  count: number;
  readonly genes: Int16Array;
  readonly values: Uint8Array;
  readonly gains: Float64Array;
  readonly added: readonly Float64Array[];
}

function makeLists(size: number, limits: number): Lists {
  return {
    count: 0,
    genes: new Int16Array(size),
    values: new Uint8Array(size),
    gains: new Float64Array(size),
    added: Array.from({ length: limits }, () => new Float64Array(size)),
  };
}

/** Appends a change whose gain and additions follow. @returns its place */
function append(lists: Lists, gene: number, value: number): number {
  const at = lists.count++;
  lists.genes[at] = gene;
  lists.values[at] = value;
  return at;
}

/** Buffers that each look around writes over. */
interface Scratch {
  readonly lists: Lists;
  readonly sorted: Lists;
  /** What is sorted by, and the same as pairs of 32-bit words. */
  readonly keys: Float64Array;
  readonly keyWords: Uint32Array;
  readonly slack: Float64Array;
  /** The center with one change. */
  readonly changed: Genome;
  /** What the center costs, per limit. */
  readonly costs: Float64Array;
  /** Of one slot's choices: gains, and per limit what each adds. */
  readonly gains: Float64Array;
  readonly rows: readonly Float64Array[];
}

interface Around {
  readonly genetics: Genetics;
  readonly center: Genome;
  readonly guess: Guess;
  /** Those whose costs are counted. */
  readonly limits: readonly Limit[];
  /** Of the others the blocks that they allow. */
  readonly allowed: readonly AllowedBlocks[];
}

/** What a change gains that a limit does not allow. */
const NOT_ALLOWED = Number.NEGATIVE_INFINITY;

/** Whether some other choice of a slot gains as much and adds no more to any cost; of equals the first stays. */
function isDominated(choice: number, now: number, gains: Float64Array, rows: readonly Float64Array[]): boolean {
  const gain = gains[choice]!;
  for (let other = 0; other < gains.length; other++) {
    if (other === choice || !(gains[other]! >= gain)) continue;
    let isNoDearer = true;
    let isBetter = gains[other]! > gain || other === now || other < choice;
    for (let limit = 0; limit < rows.length && isNoDearer; limit++) {
      const difference = rows[limit]![other]! - rows[limit]![choice]!;
      if (difference > 0) isNoDearer = false;
      if (difference < 0) isBetter = true;
    }
    if (isNoDearer && isBetter) return true;
  }
  return false;
}

/** The same changes where one cost alone is counted, as mostly: by ascending cost, what gains more than all that cost less. */
function addRankedChanges({ genetics, center, guess, limits }: Around, { lists, gains }: Scratch): void {
  const { choices, offsets, length } = genetics;
  const { count } = choices;
  const { blocks, ranked } = limits[0]!.cost.additive!;
  const [table, order] = [blocks[center[length - 1]!]!, ranked[center[length - 1]!]!];
  const added = lists.added[0]!;
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = endOfActive(genetics, center, stage);
    for (let slot = offsets[stage]!; slot < end; slot++) {
      const now = center[slot]!;
      const start = slot * count;
      const here = table[start + now]!;
      guess.gains(center, slot, slot + 1 < end, gains);
      let most = Number.NEGATIVE_INFINITY;
      let last = Number.NEGATIVE_INFINITY; // what the last that was appended adds
      for (let rank = start; rank < start + count; rank++) {
        const choice = order[rank]!;
        const gain = gains[choice]!;
        if (!(gain > most)) continue;
        most = gain;
        const adds = table[start + choice]! - here;
        if (adds === last) lists.count--; // it gains less for as much
        last = Number.NEGATIVE_INFINITY;
        if (choice === now || (gain === 0 && adds === 0)) continue;
        const at = append(lists, slot, choice);
        lists.gains[at] = gain;
        added[at] = adds;
        last = adds;
      }
    }
  }
}

/** Changes of the active blocks, where every cost adds up over blocks, but those that another choice of the block beats in everything. */
function addBlockChanges(around: Around, scratch: Scratch): void {
  const { genetics, center, guess, limits, allowed } = around;
  if (limits.length === 1 && allowed.length === 0) {
    addRankedChanges(around, scratch);
    return;
  }
  const { lists, gains, rows } = scratch;
  const { choices, offsets, length } = genetics;
  const { count } = choices;
  const resolution = center[length - 1]!;
  const tables = limits.map(({ cost }) => cost.additive!.blocks[resolution]!);
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    const end = endOfActive(genetics, center, stage);
    for (let slot = offsets[stage]!; slot < end; slot++) {
      const now = center[slot]!;
      guess.gains(center, slot, slot + 1 < end, gains);
      for (let limit = 0; limit < rows.length; limit++) {
        const [row, table] = [rows[limit]!, tables[limit]!];
        const here = table[slot * count + now]!;
        for (let choice = 0; choice < count; choice++) row[choice] = table[slot * count + choice]! - here;
      }
      for (const table of allowed) {
        const row = table[resolution]!;
        for (let choice = 0; choice < count; choice++)
          if (row[slot * count + choice] === 0) gains[choice] = NOT_ALLOWED;
      }
      for (let choice = 0; choice < count; choice++) {
        if (choice === now || gains[choice] === NOT_ALLOWED || isDominated(choice, now, gains, rows)) continue;
        const at = append(lists, slot, choice);
        lists.gains[at] = gains[choice]!;
        for (let limit = 0; limit < rows.length; limit++) lists.added[limit]![at] = rows[limit]![choice]!;
      }
    }
  }
}

/** Other depths, where every cost adds up over blocks and limits hold for whatever blocks. */
function addDepthChanges({ genetics, center, guess, limits }: Around, { lists }: Scratch): void {
  const { slots, depths, values } = genetics;
  for (let gene = slots; gene < slots + depths.length; gene++) {
    const here = guess.depthWorth(center, gene, center[gene]!);
    for (let value = 0; value < values[gene]!; value++) {
      if (value === center[gene]) continue;
      const at = append(lists, gene, value);
      lists.gains[at] = guess.depthWorth(center, gene, value) - here;
      for (let limit = 0; limit < limits.length; limit++) {
        lists.added[limit]![at] = limits[limit]!.cost.additive!.depthAdds(center, gene, value);
      }
    }
  }
}

/** Changes of the genes from `from` on, each asked about as a whole genome. */
function addOtherChanges(
  { genetics, center, guess, limits, allowed }: Around,
  { lists, changed, costs }: Scratch,
  from: number,
): void {
  const first = lists.count;
  const others = genetics.slots + genetics.depths.length; // widths and the resolution, which leave the blocks as they are
  const here = from < others ? guess.of(center) : 0;
  const isAsked = limits.some(({ cost }) => cost.additive === undefined);
  const made: Genome[] = [];
  for (let gene = from; gene < genetics.length; gene++) {
    const isDepth = gene >= genetics.slots && gene < others;
    changed.set(center);
    for (let value = 0; value < genetics.values[gene]!; value++) {
      if (value === center[gene]) continue;
      if (isDepth) changed.set(center); // the blocks that another depth lacks come back
      changed[gene] = value;
      if (gene < others && normalize(genetics, changed)[gene] !== value) break; // the gene's slot is inactive
      if (!allowed.every((blocks) => areAllowed(genetics, changed, blocks))) continue;
      const at = append(lists, gene, value);
      lists.gains[at] =
        gene < others ? guess.of(changed) - here : guess.worth(gene, value) - guess.worth(gene, center[gene]!);
      for (let limit = 0; limit < limits.length; limit++) {
        lists.added[limit]![at] = (limits[limit]!.cost.additive?.of(changed) ?? 0) - costs[limit]!;
      }
      if (isAsked) made.push(changed.slice());
    }
  }
  if (!isAsked) return;
  limits.forEach(({ cost }, limit) => {
    if (cost.additive !== undefined) return;
    const asked = cost.of(made); // all at once: one that is asked about architectures takes long to begin
    for (let i = 0; i < asked.length; i++) lists.added[limit]![first + i] = asked[i]! - costs[limit]!;
  });
}

/** What a change must gain at least to be of use together with any two others, where only sums above zero are. */
function leastOfUse({ count, gains }: Lists): number {
  let [first, second] = [0, 0];
  for (let i = 0; i < count; i++) {
    const gain = gains[i]!;
    if (gain > first) [first, second] = [gain, first];
    else if (gain > second) second = gain;
  }
  return -first - second;
}

/** Bits of a gain that its place takes over while gains are sorted: the last of a float64's 52. */
const PLACE_BITS = 12;
const PLACES = 2 ** PLACE_BITS;

/** Distances of Shell's sort (Ciura 2001): as a rule some hundred keys are sorted, for which the runtime's own sort takes three times as long. */
const GAPS = [1750, 701, 301, 132, 57, 23, 10, 4, 1] as const;

/** Sorts the first keys of a list, ascending, in place; none equals another. */
function sortKeys(keys: Float64Array, count: number): void {
  for (let step = 0; step < GAPS.length; step++) {
    const gap = GAPS[step]!;
    for (let next = gap; next < count; next++) {
      const key = keys[next]!;
      let at = next;
      for (; at >= gap && keys[at - gap]! > key; at -= gap) keys[at] = keys[at - gap]!;
      keys[at] = key;
    }
  }
}

/** Sorts what gains more than `least` by descending gain; gains that agree in their first 40 bits count as equal, and what comes first stays first. */
function sort({ lists, sorted, keys, keyWords }: Scratch, least: number): void {
  const { gains } = lists;
  let count = 0;
  for (let next = 0; next < lists.count; next++) {
    const gain = gains[next]!;
    if (!(gain > least) && lists.genes[next] !== NO_GENE) continue;
    keys[count] = 0 - gain; // never -0
    const inOrder = gain > 0 ? PLACES - 1 - next : next; // more bits make a negative number smaller
    keyWords[2 * count] = (keyWords[2 * count]! & ~(PLACES - 1)) | inOrder;
    count++;
  }
  sortKeys(keys, count);
  for (let place = 0; place < count; place++) {
    const inOrder = keyWords[2 * place]! & (PLACES - 1);
    const from = keys[place]! < 0 ? PLACES - 1 - inOrder : inOrder;
    sorted.genes[place] = lists.genes[from]!;
    sorted.values[place] = lists.values[from]!;
    sorted.gains[place] = gains[from]!;
    for (let limit = 0; limit < sorted.added.length; limit++) sorted.added[limit]![place] = lists.added[limit]![from]!;
  }
  sorted.count = count;
}

/** Looks around centers. Each answer is written over by the next. */
export type LookAround = (center: Genome, guess: Guess, limits: readonly Limit[]) => Changes;

/**
 * Makes what finds every single change of a center's active genes, what it is guessed to gain and what it adds to each cost.
 * Of a block's choices those are left out that another one beats in both, where all costs add up over blocks.
 * @param most limits at most
 */
export function makeLookAround(genetics: Genetics, most: number): LookAround {
  const size = 1 + genetics.values.reduce((sum, count) => sum + count - 1, 0);
  invariant(size <= PLACES, () => `${size} changes around a center; at most ${PLACES} can be sorted`);
  const keys = new Float64Array(size);
  const scratches = Array.from(
    { length: most + 1 },
    (_, count): Scratch => ({
      lists: makeLists(size, count),
      sorted: makeLists(size, count),
      keys,
      keyWords: new Uint32Array(keys.buffer),
      slack: new Float64Array(count),
      changed: new Uint8Array(genetics.length),
      costs: new Float64Array(count),
      gains: new Float64Array(genetics.choices.count),
      rows: Array.from({ length: count }, () => new Float64Array(genetics.choices.count)),
    }),
  );
  return (center, guess, all) => {
    const limits = all.filter(({ allowed }) => allowed === undefined);
    const scratch = scratches[limits.length];
    invariant(scratch !== undefined, () => `${limits.length} limits where ${most} were announced`);
    const around = {
      genetics,
      center,
      guess,
      limits,
      allowed: all.flatMap(({ allowed }) => (allowed ? [allowed] : [])),
    };
    scratch.lists.count = 0;
    for (let limit = 0; limit < limits.length; limit++) {
      const { cost, max } = limits[limit]!;
      scratch.costs[limit] = cost.additive?.of(center) ?? cost.of([center])[0]!;
      scratch.slack[limit] = max - scratch.costs[limit]!;
    }
    const none = append(scratch.lists, NO_GENE, 0);
    scratch.lists.gains[none] = 0;
    let from = 0;
    if (limits.every(({ cost }) => cost.additive !== undefined)) {
      addBlockChanges(around, scratch);
      from = genetics.slots;
      if (around.allowed.length === 0) {
        addDepthChanges(around, scratch);
        from += genetics.depths.length;
      }
    }
    addOtherChanges(around, scratch, from);
    const isKept = scratch.slack.every((left) => left >= 0);
    sort(scratch, isKept ? leastOfUse(scratch.lists) : Number.NEGATIVE_INFINITY);
    return { center, ...scratch.sorted, slack: scratch.slack };
  };
}
