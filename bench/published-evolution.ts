import { BespokeError } from '../src/common/errors.js';
import type { Rng } from '../src/common/rng.js';
import type { Constraint, Objective } from '../src/search/types.js';
import { canonicalArch } from '../src/space/arch.js';
import { slotCount } from '../src/space/slots.js';
import type { Arch, SearchSpace } from '../src/space/types.js';

/** What is searched: as many architectures as the method says, each scored whether it was seen before or not. */
export interface PlainProblem {
  readonly space: SearchSpace;
  readonly objective: Objective;
  readonly constraint: Constraint;
  readonly resolutions: readonly number[];
}

export interface PlainResult {
  readonly best: Arch;
  readonly score: number;
  readonly evaluations: number;
}

/** The published settings. */
const POPULATION = 100;
const PARENTS = 25;
const MUTANTS = 50;
const MUTATION_CHANCE = 0.1;
/** Draws for one feasible architecture, at most; the published search has no bound. */
const MAX_TRIES = 1_000_000;
/** Architectures scored at once by the random search. */
const BATCH = 1000;

/** Draws until the constraint is met. */
export function drawFeasible({ constraint, space }: PlainProblem, draw: () => Arch): Arch {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const arch = draw();
    const [cost = Number.NaN] = constraint.cost([arch]);
    if (cost <= constraint.max) return arch;
  }
  const detail = `no architecture of "${space.id}" in ${MAX_TRIES} draws keeps ${constraint.id} ${constraint.max}`;
  throw new BespokeError('infeasible-constraints', detail);
}

/**
 * A random architecture, as published: every slot has its values, active or not. They stay with it through mutation and crossover and
 * come back when a stage gets deeper, which the canonical form of the space room would not let them.
 */
export function sampleArch({ space, resolutions }: PlainProblem, rng: Rng): Arch {
  const slots = slotCount(space);
  return {
    spaceId: space.id,
    kernelSizes: Array.from({ length: slots }, () => rng.pick(space.kernelSizes)),
    expandRatios: Array.from({ length: slots }, () => rng.pick(space.expandRatios)),
    depths: space.stages.map(({ depths }) => rng.pick(depths)),
    resolution: rng.pick(resolutions),
  };
}

/** Draws each part anew with the published chance, kernel and expand ratio of a slot together. */
export function mutateArch(problem: PlainProblem, arch: Arch, rng: Rng): Arch {
  const fresh = sampleArch(problem, rng);
  const isNewSlot = arch.kernelSizes.map(() => rng.chance(MUTATION_CHANCE));
  return {
    ...arch,
    kernelSizes: arch.kernelSizes.map((value, slot) => (isNewSlot[slot] ? (fresh.kernelSizes[slot] ?? value) : value)),
    expandRatios: arch.expandRatios.map((value, slot) =>
      isNewSlot[slot] ? (fresh.expandRatios[slot] ?? value) : value,
    ),
    depths: arch.depths.map((depth, stage) => (rng.chance(MUTATION_CHANCE) ? (fresh.depths[stage] ?? depth) : depth)),
    resolution: rng.chance(MUTATION_CHANCE) ? fresh.resolution : arch.resolution,
  };
}

/** Each entry from either parent with equal chance. */
export function crossArchs(a: Arch, b: Arch, rng: Rng): Arch {
  const mix = (left: readonly number[], right: readonly number[]): number[] =>
    left.map((value, i) => (rng.chance(0.5) ? value : (right[i] ?? value)));
  return {
    ...a,
    kernelSizes: mix(a.kernelSizes, b.kernelSizes),
    expandRatios: mix(a.expandRatios, b.expandRatios),
    depths: mix(a.depths, b.depths),
    resolution: rng.chance(0.5) ? a.resolution : b.resolution,
  };
}

interface Member {
  readonly arch: Arch;
  readonly score: number;
}

async function scoreAll({ objective }: PlainProblem, archs: readonly Arch[]): Promise<Member[]> {
  const scores = await objective.score(archs);
  return archs.map((arch, i) => ({ arch, score: scores[i] ?? Number.NEGATIVE_INFINITY }));
}

const best = (members: readonly Member[]): Member => members.reduce((a, b) => (b.score > a.score ? b : a));

/**
 * The published evolutionary search, plainly: a random population; in each generation the best quarter stays and has 50 mutants and
 * 50 children of two parents, every one drawn again until it keeps the limit. As published, nothing is removed twice over, and the last
 * generation's children are scored and not looked at.
 * @param generations 500 as published: 100 + 500 * 100 evaluations
 * Source: Cai et al. 2020, section 3.4; the published tutorial's settings, resolution mutated like everything else
 */
export async function publishedEvolution(problem: PlainProblem, generations: number, rng: Rng): Promise<PlainResult> {
  const random = (): Arch => sampleArch(problem, rng);
  const first = Array.from({ length: POPULATION }, () => drawFeasible(problem, random));
  let population = await scoreAll(problem, first);
  let found = best(population);
  for (let generation = 0; generation < generations; generation++) {
    const parents = population.toSorted((a, b) => b.score - a.score).slice(0, PARENTS);
    found = best([found, ...parents]);
    const pick = (): Arch => rng.pick(parents).arch;
    const children = Array.from({ length: POPULATION }, (_, i) => {
      if (i < MUTANTS) {
        const parent = pick();
        return drawFeasible(problem, () => mutateArch(problem, parent, rng));
      }
      const [mother, father] = [pick(), pick()];
      return drawFeasible(problem, () => crossArchs(mother, father, rng));
    });
    population = [...parents, ...(await scoreAll(problem, children))];
  }
  return {
    best: canonicalArch(problem.space, found.arch),
    score: found.score,
    evaluations: POPULATION * (1 + generations),
  };
}

/** The best of `evaluations` random architectures that keep the limit. */
export async function randomSearch(problem: PlainProblem, evaluations: number, rng: Rng): Promise<PlainResult> {
  let found: Member | undefined;
  for (let done = 0; done < evaluations; done += BATCH) {
    const archs = Array.from({ length: Math.min(BATCH, evaluations - done) }, () =>
      drawFeasible(problem, () => sampleArch(problem, rng)),
    );
    const scored = await scoreAll(problem, archs);
    found = best(found === undefined ? scored : [found, ...scored]);
  }
  if (found === undefined) throw new BespokeError('invalid-request', 'a search needs at least one evaluation');
  return { best: canonicalArch(problem.space, found.arch), score: found.score, evaluations };
}
