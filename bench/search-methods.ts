import type { Rng } from '../src/common/rng.js';
import { dominates, paretoFront, type ScoredPoint } from '../src/search/pareto.js';
import { canonicalArch } from '../src/space/arch.js';
import type { Arch } from '../src/space/types.js';
import { crossArchs, drawFeasible, mutateArch, type PlainProblem, sampleArch } from './published-evolution.js';

interface Member extends ScoredPoint {
  readonly arch: Arch;
}

async function scoreAll({ objective, constraint }: PlainProblem, archs: readonly Arch[]): Promise<Member[]> {
  const scores = await objective.score(archs);
  const costs = constraint.cost(archs);
  return archs.map((arch, i) => ({ arch, score: scores[i] ?? Number.NEGATIVE_INFINITY, cost: costs[i] ?? Number.NaN }));
}

const REGULARIZED = { population: 100, sample: 25 } as const;
/** Children of regularized evolution that are scored at once; its oldest members leave in the same order. */
const AT_ONCE = 10;

/**
 * Regularized evolution: of a random sample the best is mutated, and the oldest of the population leaves.
 * Source: Real, Aggarwal, Huang, Le, AAAI 2019; population 100, sample 25
 */
export async function regularizedEvolution(problem: PlainProblem, evaluations: number, rng: Rng): Promise<number> {
  const { population: size, sample } = REGULARIZED;
  const first = Array.from({ length: size }, () => drawFeasible(problem, () => sampleArch(problem, rng)));
  let members = await scoreAll(problem, first);
  let best = Math.max(...members.map(({ score }) => score));
  for (let done = size; done < evaluations; done += AT_ONCE) {
    const children = Array.from({ length: Math.min(AT_ONCE, evaluations - done) }, () => {
      const drawn = Array.from({ length: sample }, () => rng.pick(members));
      const parent = drawn.reduce((a, b) => (b.score > a.score ? b : a)).arch;
      return drawFeasible(problem, () => mutateArch(problem, parent, rng));
    });
    const scored = await scoreAll(problem, children);
    best = Math.max(best, ...scored.map(({ score }) => score));
    members = [...members.slice(scored.length), ...scored];
  }
  return best;
}

/** Members by rank of domination, the best front first. */
function sortedFronts(members: readonly Member[]): Member[][] {
  const fronts: Member[][] = [];
  let rest = [...members];
  while (rest.length > 0) {
    // In two dimensions the undominated are found by one sort; equals stay in the same front.
    const edge = paretoFront(rest);
    const front = rest.filter((member) => !edge.some((point) => dominates(point, member)));
    const chosen = new Set(front);
    fronts.push(front);
    rest = rest.filter((member) => !chosen.has(member));
  }
  return fronts;
}

/** How far apart a front's neighbors are, summed over both figures; the ends count as infinitely far. */
function crowding(front: readonly Member[]): Map<Member, number> {
  const distances = new Map<Member, number>(front.map((member) => [member, 0]));
  for (const figure of ['score', 'cost'] as const) {
    const sorted = front.toSorted((a, b) => a[figure] - b[figure]);
    const [low, high] = [sorted[0], sorted[sorted.length - 1]];
    if (low === undefined || high === undefined) continue;
    const range = high[figure] - low[figure] || 1;
    sorted.forEach((member, i) => {
      const [before, after] = [sorted[i - 1], sorted[i + 1]];
      const apart = before === undefined || after === undefined ? Infinity : (after[figure] - before[figure]) / range;
      distances.set(member, (distances.get(member) ?? 0) + apart);
    });
  }
  return distances;
}

const NSGA = { population: 100 } as const;

/**
 * NSGA-II with the published search's mutation and crossover: parents by binary tournament on rank and crowding, the next population the
 * best fronts of parents and children together.
 * @returns every undominated point that it scored, so that its front is judged as generously as can be
 * Source: Deb, Pratap, Agarwal, Meyarivan, IEEE Transactions on Evolutionary Computation 2002
 */
export async function nsga2(problem: PlainProblem, evaluations: number, rng: Rng): Promise<ScoredPoint[]> {
  const size = NSGA.population;
  const first = Array.from({ length: size }, () => drawFeasible(problem, () => sampleArch(problem, rng)));
  let members = await scoreAll(problem, first);
  let archive: ScoredPoint[] = paretoFront(members);
  for (let done = size; done < evaluations; done += size) {
    const rank = new Map<Member, readonly [number, number]>();
    sortedFronts(members).forEach((front, index) => {
      for (const [member, distance] of crowding(front)) rank.set(member, [index, distance]);
    });
    const pick = (): Arch => {
      const [a, b] = [rng.pick(members), rng.pick(members)];
      const [ofA, ofB] = [rank.get(a) ?? [0, 0], rank.get(b) ?? [0, 0]];
      return (ofA[0] < ofB[0] || (ofA[0] === ofB[0] && ofA[1] >= ofB[1]) ? a : b).arch;
    };
    const children = Array.from({ length: Math.min(size, evaluations - done) }, () => {
      const [a, b] = [pick(), pick()];
      return drawFeasible(problem, () => mutateArch(problem, crossArchs(a, b, rng), rng));
    });
    const scored = await scoreAll(problem, children);
    archive = paretoFront([...archive, ...scored]);
    members = survivors(problem, [...members, ...scored], size);
  }
  return archive;
}

/** The best fronts of a population without twins, the last one thinned by crowding. */
function survivors({ space }: PlainProblem, members: readonly Member[], size: number): Member[] {
  const unique = new Map(members.map((member) => [JSON.stringify(canonicalArch(space, member.arch)), member]));
  const kept: Member[] = [];
  for (const front of sortedFronts([...unique.values()])) {
    const distances = crowding(front);
    const byDistance = front.toSorted((a, b) => (distances.get(b) ?? 0) - (distances.get(a) ?? 0));
    kept.push(...byDistance.slice(0, size - kept.length));
    if (kept.length === size) break;
  }
  return kept;
}
