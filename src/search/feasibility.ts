import type { Arch, SearchSpace } from '../space/types.js';
import { type AdditiveCost, type Allowed, deepest, leastOf, takeApart } from './block-parts.js';
import { type Genetics, type Genome, makeGenetics, toArch } from './genome.js';
import { neighbors } from './neighbors.js';
import type { Constraint } from './types.js';

/** The one cost that combines by maximum over the blocks: it limits each block by itself. */
const PEAK = 'maxPeakMemoryBytes';
/** Costs that no larger choice ever lowers, in any family: the smallest network of a resolution has the least of each. */
const MONOTONE: readonly string[] = ['maxMacs', 'maxParams', 'maxModelBytes', PEAK];
/** A relative excess below it is rounding. */
const ROUNDING = 1e-9;
/** Rounds in which weights are moved towards the limits that are exceeded, and how far at first. */
const ROUNDS = 40;
const STEP = 4;
/** Steps of one descent at most. */
const MAX_STEPS = 60;

/**
 * Why no network of one resolution meets the limits: for every one of them the sum over limits of weight * cost / limit is at least
 * 1 + excess, and weights add up to 1, so that a network within all limits would have at most 1.
 */
export interface Proof {
  readonly resolution: number;
  /** By the constraints' ids. */
  readonly weights: Readonly<Record<string, number>>;
  readonly excess: number;
}

/** Whether limits can be met. */
export interface Feasibility {
  readonly verdict: 'feasible' | 'infeasible' | 'unknown';
  /** Ids of the limits that cannot be met, alone or else together; empty where they can. */
  readonly binding: readonly string[];
  /** Per limit the smallest value found for it with the others as asked; some network has it. Absent where none was found. */
  readonly nearestFeasible: Readonly<Record<string, number>>;
  /** Per limit the smallest value found for it if nothing else were limited. */
  readonly smallestAlone: Readonly<Record<string, number>>;
  /** A network within all limits, when feasible. */
  readonly witness?: Arch;
  /** The network found that exceeds the limits least, by the sum of its relative excesses; when not feasible. */
  readonly closest?: Arch;
  /** When infeasible: one per resolution. */
  readonly proof?: readonly Proof[];
}

/** Costs of a genome over their limits, minus one: positive is an excess. */
type Excesses = readonly number[];

interface Problem {
  readonly genetics: Genetics;
  readonly constraints: readonly Constraint[];
  /** Every genome that was looked at, with its excesses. Mutable: it grows. */
  readonly seen: { readonly genome: Genome; readonly excesses: Excesses }[];
}

/** A limit of 0 or less has no relative excess. */
const scaleOf = ({ max }: Constraint): number => Math.abs(max) || 1;

const totalExcess = (excesses: Excesses): number => excesses.reduce((sum, each) => sum + Math.max(0, each), 0);

function excessesOf({ genetics, constraints }: Problem, genomes: readonly Genome[]): Excesses[] {
  const archs = genomes.map((genome) => toArch(genetics, genome));
  const columns = constraints.map((constraint) => {
    const scale = scaleOf(constraint);
    return constraint.cost(archs).map((cost) => (cost - constraint.max) / scale);
  });
  return genomes.map((_, row) => columns.map((column) => column[row]!));
}

function look(problem: Problem, genome: Genome): Excesses {
  const excesses = excessesOf(problem, [genome])[0]!; // one genome, one row
  problem.seen.push({ genome, excesses });
  return excesses;
}

/** What the peak limit leaves: a block's peak depends on its own choice alone, so each choice is allowed or not. */
function allowedByPeak({ genetics, constraints }: Problem, resolution: number): Allowed | undefined | 'nothing' {
  const peak = constraints.find(({ id }) => id === PEAK);
  if (peak === undefined) return undefined;
  const { slots, offsets, depths, values } = genetics;
  const smallest = deepest(genetics, resolution).fill(0, 0, slots + depths.length);
  const keeps = (genomes: readonly Genome[]): boolean[] =>
    Array.from(peak.cost(genomes.map((genome) => toArch(genetics, genome))), (cost) => cost <= peak.max);
  if (keeps([smallest])[0] === false) return 'nothing';
  const depthKeeps = depths.map((list, stage) => keeps(list.map((_, value) => smallest.with(slots + stage, value))));
  const choiceKeeps: boolean[][] = [];
  for (let stage = 0; stage + 1 < offsets.length; stage++) {
    for (let slot = offsets[stage]!; slot < offsets[stage + 1]!; slot++) {
      const deepEnough = depths[stage]!.findIndex((depth) => slot < offsets[stage]! + depth);
      const at = smallest.with(slots + stage, deepEnough);
      choiceKeeps.push(keeps(Array.from({ length: values[slot]! }, (_, value) => at.with(slot, value))));
    }
  }
  return {
    choice: (slot, value) => choiceKeeps[slot]![value]!,
    depth: (stage, value) => depthKeeps[stage]![value]!,
  };
}

/** The weights of a proof, without those that do not count. */
function named(constraints: readonly Constraint[], weights: readonly number[]): Record<string, number> {
  return Object.fromEntries(
    constraints.flatMap(({ id }, index) => (weights[index]! > ROUNDING ? [[id, weights[index]!]] : [])),
  );
}

interface Level {
  readonly problem: Problem;
  /** Index of the resolution. */
  readonly at: number;
  readonly resolution: number;
}

/** By the smallest network alone: it has the least of every cost that grows with each choice. */
function provenBySmallest({ problem, at, resolution }: Level): Proof | undefined {
  const { genetics, constraints } = problem;
  const smallest = deepest(genetics, at).fill(0, 0, genetics.length - 1);
  const excesses = look(problem, smallest);
  let worst: Proof | undefined;
  constraints.forEach(({ id }, index) => {
    const excess = excesses[index]!;
    if (!MONOTONE.includes(id) || excess <= Math.max(ROUNDING, worst?.excess ?? 0)) return;
    worst = { resolution, weights: { [id]: 1 }, excess };
  });
  return worst;
}

/** Additive costs of a resolution in units of their limits, so that meeting them all means at most 1 for each. */
interface Scaled {
  readonly constraints: readonly Constraint[];
  readonly parts: readonly AdditiveCost[];
  readonly allowed?: Allowed;
}

function takeAllApart({ problem, at }: Level): Scaled | 'nothing' | undefined {
  const constraints = problem.constraints.filter(({ id }) => id !== PEAK);
  const parts: AdditiveCost[] = [];
  for (const constraint of constraints) {
    const part = takeApart(problem.genetics, at, constraint);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  const allowed = allowedByPeak(problem, at);
  if (allowed === 'nothing') return 'nothing';
  return { constraints, parts, ...(allowed === undefined ? {} : { allowed }) };
}

/**
 * Weights under which even the least weighted sum of costs exceeds the limits prove that nothing fits; each least network that is met
 * on the way may itself fit. Weights grow where limits are exceeded (exponentiated gradient on the Lagrangian dual).
 * @returns the proof; `'fits'` where a network within all limits was met; undefined where neither
 * Source: Fisher, "The Lagrangian relaxation method for solving integer programming problems", Management Science 1981
 */
function proveByWeights({ problem, at, resolution }: Level, scaled: Scaled): Proof | 'fits' | undefined {
  const { constraints, parts, allowed } = scaled;
  const indices = constraints.map((constraint) => problem.constraints.indexOf(constraint));
  const scales = constraints.map(scaleOf);
  const limits = constraints.map(({ max }, i) => max / scales[i]!);
  const tryWeights = (weights: readonly number[]): { excess: number; excesses: Excesses } | undefined => {
    const options = { parts, weights: weights.map((weight, i) => weight / scales[i]!), ...(allowed && { allowed }) };
    const least = leastOf(problem.genetics, at, options);
    if (least === undefined) return undefined;
    const bound = weights.reduce((sum, weight, i) => sum + weight * limits[i]!, 0);
    return { excess: least.value - bound, excesses: look(problem, least.genome) };
  };
  const alone = constraints.map((_, i) => constraints.map((__, j) => (i === j ? 1 : 0)));
  let weights = constraints.map(() => 1 / constraints.length);
  for (let round = 0; round < alone.length + ROUNDS; round++) {
    const asked = alone[round] ?? weights;
    const found = tryWeights(asked);
    if (found === undefined) return undefined;
    if (found.excess > ROUNDING) return { resolution, weights: named(constraints, asked), excess: found.excess };
    if (totalExcess(found.excesses) === 0) return 'fits';
    if (round < alone.length) continue;
    const step = STEP / Math.sqrt(round - alone.length + 1);
    const grown = weights.map((weight, i) => {
      const excess = Math.min(1, Math.max(-1, found.excesses[indices[i]!]!));
      return weight * Math.exp(step * excess);
    });
    const sum = grown.reduce((total, weight) => total + weight, 0);
    weights = grown.map((weight) => weight / sum);
  }
  return undefined;
}

/** Looks at one resolution. @returns a proof that nothing fits, `'fits'`, or undefined where it stays open */
function examine(level: Level): Proof | 'fits' | undefined {
  const { problem } = level;
  const bySmallest = provenBySmallest(level);
  if (totalExcess(problem.seen.at(-1)!.excesses) === 0) return 'fits'; // the smallest network itself
  if (bySmallest !== undefined) return bySmallest;
  const scaled = takeAllApart(level);
  if (scaled === undefined || scaled === 'nothing' || scaled.constraints.length === 0) return undefined;
  return proveByWeights(level, scaled);
}

/** What a descent lowers: the first figure, where that ties the second. */
type Aim = (excesses: Excesses) => readonly [number, number];

/** Changes one gene at a time to the best value of an aim, until none helps. */
function descend(problem: Problem, start: Genome, aim: Aim): { readonly genome: Genome; readonly excesses: Excesses } {
  let genome = start;
  for (let step = 0; ; step++) {
    const steps = neighbors(problem.genetics, genome);
    const rows = excessesOf(problem, steps);
    let best = 0; // the genome itself
    let lowest = aim(rows[0]!);
    rows.forEach((row, index) => {
      const value = aim(row);
      if (value[0] < lowest[0] || (value[0] === lowest[0] && value[1] < lowest[1])) [best, lowest] = [index, value];
    });
    if (best === 0 || step === MAX_STEPS) return { genome, excesses: rows[0]! };
    genome = steps[best]!;
  }
}

/** The genome seen so far that is best by an aim. */
function bestSeen({ seen }: Problem, aim: Aim): Genome {
  let best = seen[0]!; // every resolution's smallest network was looked at
  for (const each of seen) {
    const [a, b] = [aim(each.excesses), aim(best.excesses)];
    if (a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])) best = each;
  }
  return best.genome;
}

/** Per limit the smallest cost, with the others met or for itself, as far as descents find it. */
function smallestOf(problem: Problem, isAlone: boolean): Record<string, number> {
  const { constraints } = problem;
  const nearest: Record<string, number> = {};
  constraints.forEach((constraint, index) => {
    const others = (excesses: Excesses): number => totalExcess(excesses.filter((_, i) => i !== index));
    const aim: Aim = (excesses) => [isAlone ? 0 : others(excesses), excesses[index]!];
    const found = descend(problem, bestSeen(problem, aim), aim);
    if (aim(found.excesses)[0] > 0) return;
    nearest[constraint.id] = constraint.cost([toArch(problem.genetics, found.genome)])[0]!;
  });
  return nearest;
}

/** The limits that nothing can meet alone; else those whose loosening would help, else all. */
function bindingOf({ constraints, seen }: Problem, nearest: Readonly<Record<string, number>>): string[] {
  const alone = constraints.filter((_, index) => seen.every(({ excesses }) => excesses[index]! > 0));
  if (alone.length > 0) return alone.map(({ id }) => id);
  const helping = constraints.filter(({ id }) => nearest[id] !== undefined);
  return (helping.length > 0 ? helping : constraints).map(({ id }) => id);
}

/**
 * Says whether any network meets the limits: `feasible` with one that does, `infeasible` with a proof for each resolution, else
 * `unknown`. Proofs rest on costs that grow with every choice or add up over blocks; where elastic widths couple blocks, latencies
 * are not proven. Takes milliseconds for a small space, some tens for one of 25 resolutions.
 * @param constraints limits on costs, one at least
 * @param resolutions to choose from, one at least
 */
export function assessFeasibility(
  space: SearchSpace,
  constraints: readonly Constraint[],
  resolutions: readonly number[],
): Feasibility {
  const genetics = makeGenetics(space, resolutions);
  const problem: Problem = { genetics, constraints, seen: [] };
  const proof: Proof[] = [];
  const least: Aim = (excesses) => [totalExcess(excesses), 0];
  const feasible = (genome: Genome): Feasibility => {
    return {
      verdict: 'feasible',
      binding: [],
      nearestFeasible: {},
      smallestAlone: {},
      witness: toArch(genetics, genome),
    };
  };
  for (const [at, resolution] of genetics.resolutions.entries()) {
    const found = examine({ problem, at, resolution });
    if (found === 'fits') return feasible(problem.seen.at(-1)!.genome);
    if (found !== undefined) proof.push(found);
  }
  const closest = descend(problem, bestSeen(problem, least), least);
  if (totalExcess(closest.excesses) === 0) return feasible(closest.genome);
  const nearestFeasible = smallestOf(problem, false);
  const smallestAlone = smallestOf(problem, true);
  const binding = bindingOf(problem, nearestFeasible);
  const rest = { binding, nearestFeasible, smallestAlone, closest: toArch(genetics, closest.genome) };
  return proof.length === genetics.resolutions.length
    ? { verdict: 'infeasible', ...rest, proof }
    : { verdict: 'unknown', ...rest };
}
