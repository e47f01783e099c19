import { type Changes, NO_GENE } from './changes.js';
import { type Genetics, type Genome, genomeKey, normalize } from './genome.js';

/** Changes of the highest gain among which threes are tried; the third may be any. */
const WIDTH_OF_THREES = 24;
/** More combinations than asked are kept, as some were scored before or turn out equal. */
const SPARE = 1.5;
/** Bits of a change's place in a packed combination; the last value is none. */
const BITS = 10;
const NONE = 2 ** BITS - 1;

/** The best combinations so far by descending gain, each packed into one number. Mutable. */
interface Ranking {
  /** What a further one has to exceed. */
  lowest: number;
  size: number;
  readonly gains: Float64Array;
  readonly packed: Int32Array;
}

function offer(ranking: Ranking, gain: number, packed: number): void {
  const { gains, packed: all } = ranking;
  let at = Math.min(ranking.size, gains.length - 1);
  for (; at > 0 && gains[at - 1]! < gain; at--) {
    gains[at] = gains[at - 1]!;
    all[at] = all[at - 1]!;
  }
  gains[at] = gain;
  all[at] = packed;
  if (ranking.size < gains.length) ranking.size++;
  if (ranking.size === gains.length) ranking.lowest = gains[gains.length - 1]!;
}

/** Whether changes keep the limits after the first together. */
function keepsOthers({ added, slack }: Changes, a: number, b: number, c: number): boolean {
  for (let limit = 1; limit < slack.length; limit++) {
    const row = added[limit]!;
    if (!(row[a]! + row[b]! + (c === NONE ? 0 : row[c]!) <= slack[limit]!)) return false; // NaN keeps nothing
  }
  return true;
}

/** What the first limit says, apart as it is mostly the only one. */
const firstLimit = ({ added, slack, gains }: Changes) => ({
  row: added[0] ?? gains,
  left: slack[0] ?? Number.POSITIVE_INFINITY,
});

/** From each place on the least that a change adds to the first limit's cost: where even that is too much, there is nothing to look for. */
function leastAfter(row: Float64Array, count: number): Float64Array {
  const least = new Float64Array(count + 1).fill(Number.POSITIVE_INFINITY);
  for (let place = count - 1; place >= 0; place--) least[place] = Math.min(row[place]!, least[place + 1]!);
  return least;
}

/** Pairs, one of which may be to change nothing. Gains descend, so that the first sum too low ends a loop. */
function offerPairs(ranking: Ranking, changes: Changes, count: number): void {
  const { gains, genes } = changes;
  const { row, left } = firstLimit(changes);
  for (let a = 0; a + 1 < count && gains[a]! + gains[a + 1]! > ranking.lowest; a++) {
    const most = left - row[a]!;
    for (let b = a + 1; b < count; b++) {
      const gain = gains[a]! + gains[b]!;
      if (gain <= ranking.lowest) break;
      if (!(row[b]! <= most) || genes[a] === genes[b] || !keepsOthers(changes, a, b, NONE)) continue;
      offer(ranking, gain, a | (b << BITS) | (NONE << (2 * BITS)));
    }
  }
}

function offerThrees(ranking: Ranking, changes: Changes, count: number): void {
  const { gains, genes } = changes;
  const { row, left } = firstLimit(changes);
  const least = leastAfter(row, count);
  const width = Math.min(count, WIDTH_OF_THREES);
  for (let a = 0; a < width; a++) {
    if (3 * gains[a]! <= ranking.lowest) break;
    for (let b = a + 1; b < width; b++) {
      const two = gains[a]! + gains[b]!;
      if (two + gains[b]! <= ranking.lowest) break;
      if (genes[a] === genes[b]) continue;
      const most = left - row[a]! - row[b]!;
      for (let c = b + 1; c < count && least[c]! <= most; c++) {
        if (two + gains[c]! <= ranking.lowest) break;
        if (!(row[c]! <= most) || genes[c] === genes[a] || genes[c] === genes[b]) continue;
        if (keepsOthers(changes, a, b, c)) offer(ranking, two + gains[c]!, a | (b << BITS) | (c << (2 * BITS)));
      }
    }
  }
}

/** The center with a packed combination's changes. */
function changed(genetics: Genetics, { center, genes, values }: Changes, packed: number): Genome {
  const genome = center.slice();
  for (let part = 0; part < 3; part++) {
    const place = (packed >>> (part * BITS)) & NONE;
    if (place === NONE || genes[place] === NO_GENE) continue;
    genome[genes[place]!] = values[place]!;
  }
  return normalize(genetics, genome);
}

/**
 * The most promising combinations of up to three changes of a center: those of the highest summed gain that keep the limits, and above
 * zero where the center keeps them too. Two dear gains and a cheap loss that pays for them are what no single change finds.
 * @param isKnown by the genome's key
 * @returns at most `count` genomes that are not known, best first
 */
export function combine(
  genetics: Genetics,
  changes: Changes,
  { count, withThrees }: { readonly count: number; readonly withThrees: boolean },
  isKnown: (key: number) => boolean,
): Genome[] {
  const size = Math.ceil(SPARE * count);
  // Around a center that breaks limits also what loses least is of use.
  const lowest = changes.slack.every((left) => left >= 0) ? 0 : Number.NEGATIVE_INFINITY;
  const ranking: Ranking = { lowest, size: 0, gains: new Float64Array(size), packed: new Int32Array(size) };
  const among = Math.min(changes.count, NONE);
  offerPairs(ranking, changes, among);
  if (withThrees) offerThrees(ranking, changes, among);
  const made: Genome[] = [];
  const keys: number[] = [];
  for (let rank = 0; rank < ranking.size && made.length < count; rank++) {
    const genome = changed(genetics, changes, ranking.packed[rank]!);
    const key = genomeKey(genetics, genome);
    if (isKnown(key) || keys.includes(key)) continue;
    keys.push(key);
    made.push(genome);
  }
  return made;
}
