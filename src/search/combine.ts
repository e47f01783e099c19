import { type Genetics, type Genome, genomeKey } from './genome.js';
import { changed, type Neighbor } from './swaps.js';

/** Changes of the highest gain among which threes are tried; the third may be any. */
const WIDTH_OF_THREES = 40;
/** More combinations than asked are kept, as some were scored before or turn out equal. */
const SPARE = 2;

/** A center's neighbors, what each is worth, and what it costs. */
export interface Changes {
  readonly center: Genome;
  readonly neighbors: readonly Neighbor[];
  /** Score of each neighbor less the center's, known or guessed; minus infinity: not to be used. */
  readonly gains: Float64Array;
  /** Per limit how much each neighbor adds, and what may be added. */
  readonly added: readonly Float64Array[];
  readonly slack: readonly number[];
}

/** Combinations by descending gain, at most so many; `lowest` is what a further one has to exceed. */
function makeRanking(size: number) {
  const list: { readonly gain: number; readonly parts: readonly number[] }[] = [];
  const ranking = { list, lowest: 0 };
  const offer = (gain: number, parts: readonly number[]): void => {
    if (gain <= ranking.lowest) return;
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle]!.gain >= gain) low = middle + 1;
      else high = middle;
    }
    list.splice(low, 0, { gain, parts });
    if (list.length > size) list.pop();
    if (list.length === size) ranking.lowest = list[size - 1]!.gain;
  };
  return { ranking, offer };
}

/** Whether changes keep every limit together, if what they add adds up. */
function fits({ added, slack }: Changes, a: number, b: number, c: number): boolean {
  for (let limit = 0; limit < slack.length; limit++) {
    const row = added[limit]!;
    if (row[a]! + row[b]! + (c < 0 ? 0 : row[c]!) > slack[limit]!) return false;
  }
  return true;
}

/**
 * The most promising combinations of two or three changes of a center, one of which may be to change nothing: those of the highest
 * summed gain that keep the limits. Two dear gains and a cheap loss that pays for them are what no single change finds.
 * @returns at most `count` genomes that `isKnown` does not know, best first
 */
export function combine(
  genetics: Genetics,
  changes: Changes,
  count: number,
  isKnown: (genome: Genome) => boolean,
): Genome[] {
  const { neighbors, gains, center } = changes;
  const order = Array.from(gains.keys()).sort((a, b) => gains[b]! - gains[a]! || a - b);
  const { ranking, offer } = makeRanking(SPARE * count);
  const sorted = Float64Array.from(order, (index) => gains[index]!);
  const gainAt = (place: number): number => sorted[place]!;
  const areApart = (a: number, b: number): boolean => neighbors[a]!.gene !== neighbors[b]!.gene;
  // Gains descend along `order`, so that the first sum too low ends a loop.
  for (let i = 0; i < order.length; i++) {
    for (let j = i + 1; j < order.length; j++) {
      const gain = gainAt(i) + gainAt(j);
      if (gain <= ranking.lowest) break;
      const [a, b] = [order[i]!, order[j]!];
      if (!areApart(a, b)) continue;
      if (fits(changes, a, b, -1)) offer(gain, [a, b]);
    }
  }
  const width = Math.min(order.length, WIDTH_OF_THREES);
  for (let i = 0; i < width && gainAt(i) > 0; i++) {
    for (let j = i + 1; j < width; j++) {
      const [a, b] = [order[i]!, order[j]!];
      const two = gainAt(i) + gainAt(j);
      if (two + Math.max(0, gainAt(j)) <= ranking.lowest) break;
      if (!areApart(a, b)) continue;
      for (let k = j + 1; k < order.length; k++) {
        const c = order[k]!;
        if (two + sorted[k]! <= ranking.lowest) break;
        if (areApart(a, c) && areApart(b, c) && fits(changes, a, b, c)) offer(two + gains[c]!, [a, b, c]);
      }
    }
  }
  const made = new Map<number, Genome>();
  for (const { parts } of ranking.list) {
    const genome = changed(
      genetics,
      center,
      parts.map((part) => neighbors[part]!),
    );
    if (!isKnown(genome)) made.set(genomeKey(genetics, genome), genome);
    if (made.size === count) break;
  }
  return [...made.values()];
}
