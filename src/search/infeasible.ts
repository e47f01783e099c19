import { BespokeError } from '../common/errors.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { type Genetics, type Genome, makeGenetics, toArchs } from './genome.js';
import { neighbors } from './neighbors.js';
import type { Constraint } from './types.js';

/** Steps of one descent, at most; each changes a gene, and additive costs need one per gene. */
const MAX_STEPS = 200;

/** Why nothing is feasible. */
export interface InfeasibilityReport {
  /** Ids of the constraints that cannot be met: alone, or else together. */
  readonly binding: readonly string[];
  /** Per constraint id the smallest value that can be reached with the other constraints as asked; absent where those exclude each other. */
  readonly nearestFeasible: Readonly<Record<string, number>>;
}

/** What a descent minimizes: the first figure, and where that ties the second. */
type Aim = (archs: readonly Arch[]) => readonly [Float64Array, Float64Array];

/** How far over their limits the constraints are, relative, summed; 0 if all are met. */
function violations(constraints: readonly Constraint[], archs: readonly Arch[]): Float64Array {
  const sums = new Float64Array(archs.length);
  for (const constraint of constraints) {
    const costs = constraint.cost(archs);
    const scale = Math.abs(constraint.max) || 1; // a limit of 0 has no relative excess
    for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! + Math.max(0, costs[i]! - constraint.max) / scale;
  }
  return sums;
}

interface Descended {
  readonly genome: Genome;
  readonly first: number;
  readonly second: number;
}

/** Changes one gene at a time to the best value of an aim, until none helps; not the resolution, as from the best of one no single change may lead to that of another. */
function descend(genetics: Genetics, start: Genome, aim: Aim): Descended {
  const resolutionGene = genetics.length - 1;
  let genome = start;
  for (let step = 0; ; step++) {
    const around = neighbors(genetics, genome).filter((each) => each[resolutionGene] === start[resolutionGene]);
    const [first, second] = aim(toArchs(genetics, around));
    let best = 0; // the genome itself
    for (let i = 1; i < around.length; i++) {
      if (first[i]! < first[best]! || (first[i] === first[best] && second[i]! < second[best]!)) best = i;
    }
    if (best === 0 || step === MAX_STEPS) return { genome, first: first[0]!, second: second[0]! };
    genome = around[best]!;
  }
}

/** The smallest genome at each resolution. */
function smallestGenomes(genetics: Genetics): Genome[] {
  return genetics.resolutions.map((_, index) => new Uint8Array(genetics.length).with(genetics.length - 1, index));
}

/** Descends from the smallest architecture at each resolution: exact for costs that are monotone or add up over blocks. */
function descendFromSmallest(genetics: Genetics, aim: Aim): Descended[] {
  return smallestGenomes(genetics)
    .map((genome) => descend(genetics, genome, aim))
    .sort((a, b) => a.first - b.first || a.second - b.second);
}

/**
 * Feasible genomes near the smallest architecture of each resolution; empty if none was found.
 * Bounded: at most 200 steps of one gene per resolution.
 */
export function findFeasible(genetics: Genetics, constraints: readonly Constraint[]): Genome[] {
  const aim: Aim = (archs) => [violations(constraints, archs), new Float64Array(archs.length)];
  return descendFromSmallest(genetics, aim)
    .filter(({ first }) => first === 0)
    .map(({ genome }) => genome);
}

/** The smallest value of a constraint's cost where the others are met; `undefined` where no such architecture was found. */
function smallestCost(genetics: Genetics, constraint: Constraint, others: readonly Constraint[]): number | undefined {
  const aim: Aim = (archs) => [violations(others, archs), constraint.cost(archs)];
  const best = descendFromSmallest(genetics, aim)[0];
  return best !== undefined && best.first === 0 ? best.second : undefined;
}

/** The report of a search space in which nothing meets the constraints; `undefined` if something does. */
function reportOf(genetics: Genetics, constraints: readonly Constraint[]): InfeasibilityReport | undefined {
  if (findFeasible(genetics, constraints).length > 0) return undefined;
  const nearestFeasible: Record<string, number> = {};
  const alone: string[] = [];
  for (const constraint of constraints) {
    const others = constraints.filter((other) => other !== constraint);
    const nearest = smallestCost(genetics, constraint, others);
    if (nearest !== undefined) nearestFeasible[constraint.id] = nearest;
    const smallest = smallestCost(genetics, constraint, []);
    if (smallest === undefined || smallest > constraint.max) alone.push(constraint.id);
  }
  if (alone.length > 0) return { binding: alone, nearestFeasible };
  // Each can be met alone: those whose relaxing would help, or else all of them, bind together.
  const helping = constraints.filter(({ id }) => nearestFeasible[id] !== undefined);
  return { binding: (helping.length > 0 ? helping : constraints).map(({ id }) => id), nearestFeasible };
}

/**
 * Says before a search whether nothing can meet the constraints: exact where costs are monotone in every choice or add up over blocks,
 * as MACs, parameters, bytes, peak memory and table latencies are. Takes milliseconds.
 * @returns the report, or `undefined` where something feasible was found
 */
export function checkFeasibleFast(
  space: SearchSpace,
  constraints: readonly Constraint[],
  resolutions: readonly number[],
): InfeasibilityReport | undefined {
  return reportOf(makeGenetics(space, resolutions), constraints);
}

function sentenceOf(spaceId: string, constraints: readonly Constraint[], report: InfeasibilityReport): string {
  const asAsked = constraints.length > 1 ? ' with the others as asked' : '';
  const parts = report.binding.map((id) => {
    const nearest = report.nearestFeasible[id];
    const asked = `${id} ${constraints.find((constraint) => constraint.id === id)?.max}`;
    return nearest === undefined ? asked : `${asked} (the smallest possible${asAsked} is ${nearest})`;
  });
  return `No architecture of "${spaceId}" meets ${parts.join(' and ')}.`;
}

/**
 * The error of a search in which nothing was feasible.
 * @param found what `checkFeasibleFast` says of it; undefined where it proves nothing
 * @returns BespokeError `infeasible-constraints` with `binding` and `nearestFeasible`
 */
export function infeasible(
  space: SearchSpace,
  constraints: readonly Constraint[],
  found: InfeasibilityReport | undefined,
): BespokeError {
  const report = found ?? { binding: constraints.map(({ id }) => id), nearestFeasible: {} };
  return new BespokeError('infeasible-constraints', sentenceOf(space.id, constraints, report), { ...report });
}

/** The error of a search whose best architecture is not accurate enough. Scores are fractions. */
export function belowMinScore(spaceId: string, minScore: number, bestScore: number): BespokeError {
  return new BespokeError(
    'infeasible-constraints',
    `No architecture of "${spaceId}" that meets the other constraints reaches minTop1 ${minScore}; the best found is predicted at ${bestScore}.`,
    { binding: ['minTop1'], nearestFeasible: { minTop1: bestScore } },
  );
}
