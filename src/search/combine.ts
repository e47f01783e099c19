import { type Changes, NO_GENE } from './changes.js';
import { type Genetics, type Genome, genomeKey, Keyed, normalize } from './genome.js';

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

/** The least that a change adds to the first limit's cost: where even that is too much, there is nothing to look for. */
interface Least {
  /** Among the changes from a place on, and at the end infinity. */
  readonly after: Float64Array;
  /** Among those up to a place. */
  readonly before: Float64Array;
}

function writeLeast(row: Float64Array, count: number, { after, before }: Least): void {
  let least = Number.POSITIVE_INFINITY;
  after[count] = least;
  for (let place = count - 1; place >= 0; place--) {
    if (row[place]! < least) least = row[place]!; // NaN is never less
    after[place] = least;
  }
  least = Number.POSITIVE_INFINITY;
  for (let place = 0; place < count; place++) {
    if (row[place]! < least) least = row[place]!;
    before[place] = least;
  }
}

/** The first place from `start` on up to which some change adds no more than `most`: each before it is too dear. */
function firstWithin(before: Float64Array, most: number, start: number, count: number): number {
  if (start >= count || before[start]! <= most) return start;
  let low = start + 1;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (before[middle]! <= most) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Pairs, one of which may be to change nothing. Gains descend, so that the first sum too low ends a loop. */
function offerPairs(ranking: Ranking, changes: Changes, count: number, { after, before }: Least): void {
  const { gains, genes } = changes;
  const { row, left } = firstLimit(changes);
  for (let a = 0; a + 1 < count && gains[a]! + gains[a + 1]! > ranking.lowest; a++) {
    const most = left - row[a]!;
    for (let b = firstWithin(before, most, a + 1, count); b < count && after[b]! <= most; b++) {
      const gain = gains[a]! + gains[b]!;
      if (gain <= ranking.lowest) break;
      if (!(row[b]! <= most) || genes[a] === genes[b] || !keepsOthers(changes, a, b, NONE)) continue;
      offer(ranking, gain, a | (b << BITS) | (NONE << (2 * BITS)));
    }
  }
}

/** Threes of which two are among the first `width`; the third may be any. */
function offerThrees(
  ranking: Ranking,
  changes: Changes,
  [count, width]: readonly [number, number],
  { after, before }: Least,
): void {
  const { gains, genes } = changes;
  const { row, left } = firstLimit(changes);
  let { lowest } = ranking; // of its own, as these loops are what a search spends most of its own time in
  for (let a = 0; a < width; a++) {
    if (3 * gains[a]! <= lowest) break;
    const gene = genes[a]!;
    for (let b = a + 1; b < width; b++) {
      const two = gains[a]! + gains[b]!;
      if (two + gains[b]! <= lowest) break;
      const other = genes[b]!;
      if (gene === other) continue;
      const most = left - row[a]! - row[b]!;
      for (let c = firstWithin(before, most, b + 1, count); c < count && after[c]! <= most; c++) {
        const gain = two + gains[c]!;
        if (gain <= lowest) break;
        if (!(row[c]! <= most) || genes[c] === gene || genes[c] === other || !keepsOthers(changes, a, b, c)) continue;
        offer(ranking, gain, a | (b << BITS) | (c << (2 * BITS)));
        lowest = ranking.lowest;
      }
    }
  }
}

function hasKey(made: readonly Keyed[], key: number): boolean {
  for (const each of made) if (each.key === key) return true;
  return false;
}

/** Writes the center with a packed combination's changes. */
function change(genetics: Genetics, { center, genes, values }: Changes, packed: number, genome: Genome): void {
  genome.set(center);
  for (let part = 0; part < 3; part++) {
    const place = (packed >>> (part * BITS)) & NONE;
    if (place === NONE || genes[place] === NO_GENE) continue;
    genome[genes[place]!] = values[place]!;
  }
  normalize(genetics, genome);
}

/** Tells of a genome's key whether it is known. */
export interface Known {
  isScored(key: number): boolean;
}

/** Combines changes, so many at most, that are not known. */
export type Combine = (changes: Changes, known: Known) => Keyed[];

/**
 * Makes what finds the most promising combinations of up to three changes of a center: those of the highest summed gain that keep the
 * limits, and above zero where the center keeps them too. Two dear gains and a cheap loss that pays for them are what no single change finds.
 * It answers with at most `count` genomes that are not known, best first.
 * @param width of three changes two are among so many of the highest gain; with 0 there are no threes
 */
export function makeCombine(
  genetics: Genetics,
  { count, width }: { readonly count: number; readonly width: number },
): Combine {
  const size = Math.ceil(SPARE * count);
  const ranking: Ranking = { lowest: 0, size: 0, gains: new Float64Array(size), packed: new Int32Array(size) };
  const changed = new Uint8Array(genetics.length);
  const least = { after: new Float64Array(NONE + 1), before: new Float64Array(NONE + 1) };
  return (changes, known) => {
    // Around a center that breaks limits also what loses least is of use.
    ranking.lowest = changes.slack.every((left) => left >= 0) ? 0 : Number.NEGATIVE_INFINITY;
    ranking.size = 0;
    const among = Math.min(changes.count, NONE);
    writeLeast(firstLimit(changes).row, among, least);
    offerPairs(ranking, changes, among, least);
    offerThrees(ranking, changes, [among, Math.min(among, width)], least);
    const made: Keyed[] = [];
    for (let rank = 0; rank < ranking.size && made.length < count; rank++) {
      change(genetics, changes, ranking.packed[rank]!, changed);
      const key = genomeKey(genetics, changed);
      if (!known.isScored(key) && !hasKey(made, key)) made.push(new Keyed(changed.slice(), key));
    }
    return made;
  };
}
