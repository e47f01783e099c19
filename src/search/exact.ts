import { BespokeError } from '../common/errors.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { type Genetics, type Genome, makeGenetics, toArch } from './genome.js';

/** Figures that add up over an architecture: whatever is maximized, or whatever it costs. Choices are numbered as `blockChoices` does. */
export interface AdditiveTerms {
  /** Per index of the resolutions asked; of a cost this holds what is fixed. */
  readonly resolution: (index: number) => number;
  /** Of a stage at a depth of its list, by index. */
  readonly depth: (stage: number, index: number, resolution: number) => number;
  /** Of an active block's choice. */
  readonly unit: (slot: number, choice: number, resolution: number) => number;
  /** Of an active block's choice after that of the block before it in the same stage; 0 where absent. */
  readonly pair?: (slot: number, before: number, choice: number) => number;
  /** Of the choice of a stage's last active block; 0 where absent. */
  readonly last?: (slot: number, choice: number) => number;
}

export interface ExactProblem {
  readonly space: SearchSpace;
  /** Input sides to choose from, pixels. */
  readonly resolutions: readonly number[];
  readonly score: AdditiveTerms;
  /** In any unit; integers stay exact up to 2^53. */
  readonly cost: Omit<AdditiveTerms, 'pair' | 'last'>;
  /** The most that may be spent. */
  readonly maxCost: number;
}

/** A point of an exact front. */
export interface ExactPoint {
  readonly score: number;
  readonly cost: number;
}

/** Every point that no architecture within the cost dominates, by ascending cost and score; the last is the proven optimum. */
export interface ExactFront {
  readonly points: readonly ExactPoint[];
  /** The architecture of a point, by index. */
  archAt(index: number): Arch;
}

/** Points by ascending cost and score, none dominated, each with where it came from. */
interface Labels {
  readonly cost: Float64Array;
  readonly score: Float64Array;
  /** Index in the list before; index of what was added to it. */
  readonly from: Int32Array;
  readonly added: Int32Array;
  readonly length: number;
}

/** One way to fill a stage. */
interface StageWay extends ExactPoint {
  readonly depth: number;
  readonly choices: readonly number[];
}

/** Those that no other one dominates, by ascending cost. */
function undominated<T extends ExactPoint>(points: readonly T[]): T[] {
  const sorted = points.toSorted((a, b) => a.cost - b.cost || b.score - a.score);
  const kept: T[] = [];
  for (const point of sorted) {
    const last = kept[kept.length - 1];
    if (last === undefined || point.score > last.score) kept.push(point);
  }
  return kept;
}

/**
 * The undominated ways to fill a stage: dynamic programming over its slots, a list of labels per last choice. What follows a block depends
 * on its choice alone, so of two labels with the same last choice the dominated one can be forgotten.
 */
function waysOf({ score, cost }: ExactProblem, genetics: Genetics, stage: number, resolution: number): StageWay[] {
  const { offsets, depths, choices } = genetics;
  const list = depths[stage]!;
  const first = offsets[stage]!;
  const ways: StageWay[] = [];
  let last: StageWay[][] = [];
  for (let slot = first; slot < offsets[stage + 1]!; slot++) {
    const before = last;
    last = Array.from({ length: choices.count }, (_, choice) => {
      const own = { score: score.unit(slot, choice, resolution), cost: cost.unit(slot, choice, resolution) };
      if (slot === first) return [{ ...own, depth: 0, choices: [choice] }];
      const extended = before.flatMap((labels, previous) => {
        const gain = own.score + (score.pair?.(slot, previous, choice) ?? 0);
        return labels.map((label) => ({
          score: label.score + gain,
          cost: label.cost + own.cost,
          depth: 0,
          choices: [...label.choices, choice],
        }));
      });
      return undominated(extended);
    });
    const depth = list.indexOf(slot - first + 1);
    if (depth < 0) continue;
    const extra = { score: score.depth(stage, depth, resolution), cost: cost.depth(stage, depth, resolution) };
    for (const [choice, labels] of last.entries()) {
      const gain = extra.score + (score.last?.(slot, choice) ?? 0);
      for (const label of labels) {
        ways.push({ ...label, depth, score: label.score + gain, cost: label.cost + extra.cost });
      }
    }
  }
  return undominated(ways);
}

/** Merges a list of labels, each with a way added, into the labels found so far; linear, as both are sorted. */
function merge(found: Labels, before: Labels, way: ExactPoint & { readonly index: number }, maxCost: number): Labels {
  const size = found.length + before.length;
  const cost = new Float64Array(size);
  const score = new Float64Array(size);
  const from = new Int32Array(size);
  const added = new Int32Array(size);
  let length = 0;
  let best = Number.NEGATIVE_INFINITY;
  let [a, b] = [0, 0];
  const costB = (): number => before.cost[b]! + way.cost;
  const scoreB = (): number => before.score[b]! + way.score;
  while (a < found.length || b < before.length) {
    const isFound =
      b >= before.length ||
      (a < found.length && (found.cost[a]! < costB() || (found.cost[a]! === costB() && found.score[a]! >= scoreB())));
    const [c, s] = isFound ? [found.cost[a]!, found.score[a]!] : [costB(), scoreB()];
    if (!isFound && c > maxCost) {
      b = before.length;
      continue;
    }
    if (s > best) {
      best = s;
      cost[length] = c;
      score[length] = s;
      from[length] = isFound ? found.from[a]! : b;
      added[length] = isFound ? found.added[a]! : way.index;
      length++;
    }
    if (isFound) a++;
    else b++;
  }
  return { cost, score, from, added, length };
}

const NONE: Labels = {
  cost: new Float64Array(0),
  score: new Float64Array(0),
  from: new Int32Array(0),
  added: new Int32Array(0),
  length: 0,
};

/** The front of one resolution, with the ways and labels of each stage. */
function frontAt(problem: ExactProblem, genetics: Genetics, resolution: number) {
  const stages = genetics.offsets.length - 1;
  const ways = Array.from({ length: stages }, (_, stage) => waysOf(problem, genetics, stage, resolution));
  const cheapest = ways.map((list) => list[0]!.cost);
  let labels: Labels = {
    cost: Float64Array.of(problem.cost.resolution(resolution)),
    score: Float64Array.of(problem.score.resolution(resolution)),
    from: Int32Array.of(-1),
    added: Int32Array.of(-1),
    length: 1,
  };
  const levels: Labels[] = [];
  for (let stage = 0; stage < stages; stage++) {
    const rest = cheapest.slice(stage + 1).reduce((sum, cost) => sum + cost, 0);
    const before = labels;
    labels = ways[stage]!.reduce<Labels>(
      (found, { cost, score }, index) => merge(found, before, { cost, score, index }, problem.maxCost - rest),
      NONE,
    );
    levels.push(labels);
  }
  return { ways, levels, last: labels };
}

/** The genome of a label of the last stage. */
function genomeOf(genetics: Genetics, { ways, levels }: ReturnType<typeof frontAt>, resolution: number, label: number) {
  const genome: Genome = new Uint8Array(genetics.length);
  genome[genetics.length - 1] = resolution;
  let at = label;
  for (let stage = levels.length - 1; stage >= 0; stage--) {
    const way = ways[stage]![levels[stage]!.added[at]!]!;
    genome.set(way.choices, genetics.offsets[stage]!);
    genome[genetics.slots + stage] = way.depth;
    at = levels[stage]!.from[at]!;
  }
  return genome;
}

/**
 * Solves a search whose score and cost add up over blocks and over neighboring blocks of a stage: the proven optimum and the whole exact
 * front. Resolutions and stages are solved apart, and their undominated labels merged.
 * @throws BespokeError `infeasible-constraints` where even the cheapest costs too much; `invalid-request` for a space of elastic widths
 * Source: Bellman's principle on labels of two criteria; Hansen, "Bicriterion path problems", 1980
 */
export function exactFront(problem: ExactProblem): ExactFront {
  const { space, resolutions, maxCost } = problem;
  const genetics = makeGenetics(space, resolutions);
  if (genetics.widths > 0 || genetics.stemDepths > 0) {
    throw new BespokeError(
      'invalid-request',
      `the space "${space.id}" has elastic widths, which couple its blocks; an exact search needs costs that add up`,
    );
  }
  const fronts = genetics.resolutions.map((_, index) => frontAt(problem, genetics, index));
  const points = undominated(
    fronts.flatMap(({ last }, resolution) =>
      Array.from({ length: last.length }, (_, label) => ({
        score: last.score[label]!,
        cost: last.cost[label]!,
        resolution,
        label,
      })),
    ),
  );
  if (points.length === 0) {
    throw new BespokeError('infeasible-constraints', `no architecture of "${space.id}" costs at most ${maxCost}`);
  }
  return {
    points,
    archAt: (index) => {
      const { resolution, label } = points[index]!;
      return toArch(genetics, genomeOf(genetics, fronts[resolution]!, resolution, label));
    },
  };
}
