import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { archId, assertArchInSpace } from '../../../src/space/arch.js';
import { sampleArch } from '../../../src/space/sample.js';
import { extremesOf, imagesSeen, positionOf, totalSteps } from '../../../src/train/phases.js';
import type { Recipe } from '../../../src/train/recipe.js';
import { attendedFront, subnetsOfStep } from '../../../src/train/subnet-schedule.js';
import { tinyRecipe, tinySpace } from './tiny-run.js';

const base = tinyRecipe(800);
const recipe: Recipe = {
  ...base,
  pool: { size: 4, replaceEvery: 3 },
  phases: base.phases.map((phase) => ({ ...phase, subnetsPerStep: 2 })),
};
const at = (step: number) => positionOf(recipe, 1, step);
const subnets = (step: number, worker = 0) =>
  subnetsOfStep({ space: tinySpace, pool: recipe.pool, seed: 1, worker }, at(step));

describe('positionOf', () => {
  it('walks through the phases', () => {
    expect(totalSteps(recipe, 1)).toBe(150);
    expect(at(99)).toMatchObject({ phaseIndex: 0, stepInPhase: 99, phaseSteps: 100 });
    expect(at(100)).toMatchObject({ phaseIndex: 1, stepInPhase: 0, phaseSteps: 50 });
    expect(totalSteps(recipe, 3)).toBe(Math.ceil(800 / 24) + Math.ceil(400 / 24));
    expect(() => at(150)).toThrow(/step 150/);
  });
});

describe('subnetsOfStep', () => {
  it('picks different places of the pool, whose nets are in the space', () => {
    for (let step = 0; step < 100; step++) {
      const chosen = subnets(step);
      expect(new Set(chosen.map(({ poolIndex }) => poolIndex)).size).toBe(2);
      for (const { arch } of chosen) assertArchInSpace(tinySpace, arch);
    }
  });

  it('replaces one place every so many steps, in turn', () => {
    const generationAt = new Map<number, number[]>();
    for (let step = 0; step < 100; step++) {
      for (const { poolIndex, generation } of subnets(step)) {
        const lifetime = 4 * 3;
        expect(generation).toBe(Math.floor((step + poolIndex * 3) / lifetime));
        generationAt.set(poolIndex, [...(generationAt.get(poolIndex) ?? []), generation]);
      }
    }
    expect(generationAt.size).toBe(4);
  });

  it('keeps the arch of a place through its generation and draws another for the next', () => {
    const archOf = new Map<string, string>();
    for (let step = 0; step < 100; step++) {
      for (const { poolIndex, generation, arch } of subnets(step)) {
        const key = `${poolIndex}.${generation}`;
        const id = archId(tinySpace, arch);
        expect(archOf.get(key) ?? id).toBe(id);
        archOf.set(key, id);
      }
    }
    expect(new Set(archOf.values()).size).toBeGreaterThan(archOf.size / 2);
  });

  it('gives workers different nets', () => {
    const ids = (worker: number) => subnets(0, worker).map(({ arch }) => archId(tinySpace, arch));
    expect(ids(0)).not.toEqual(ids(1));
  });

  it('stays within the choices that a phase has open', () => {
    const elastic = { ...recipe.phases[0]!.elastic, kernelSizes: [7], depths: [[2], [1, 2]], resolutions: [12] };
    const position = { ...at(0), phase: { ...recipe.phases[0]!, elastic } };
    for (let worker = 0; worker < 20; worker++) {
      const [subnet] = subnetsOfStep({ space: tinySpace, pool: recipe.pool, seed: 1, worker }, position);
      expect(subnet?.arch.resolution).toBe(12);
      expect(subnet?.arch.depths[0]).toBe(2);
      expect(subnet?.arch.kernelSizes.slice(0, 3)).toEqual([7, 7, 7]);
    }
    expect(extremesOf(tinySpace, elastic).smallest).toMatchObject({ depths: [2, 1], resolution: 12 });
  });
});

describe('a front', () => {
  const rng = makeRng(3);
  const drawn = Array.from({ length: 40 }, () => sampleArch(tinySpace, rng));
  const front = attendedFront(tinySpace, [...drawn, ...drawn.slice(0, 5)]);
  /** Ids of what many workers draw first. */
  const ids = (frontShare: number) => {
    const position = { ...at(0), phase: { ...recipe.phases[0]!, frontShare } };
    const options = { space: tinySpace, pool: recipe.pool, seed: 2, front };
    return Array.from({ length: 400 }, (_, worker) => subnetsOfStep({ ...options, worker }, position))
      .flat()
      .map(({ arch }) => archId(tinySpace, arch));
  };
  const members = new Set(front.map(({ arch }) => archId(tinySpace, arch)));

  it('has each architecture once, ascending by MACs, whatever the order they came in', () => {
    expect(members.size).toBe(front.length);
    expect(front.map(({ macs }) => macs)).toEqual(front.map(({ macs }) => macs).toSorted((a, b) => a - b));
    expect(attendedFront(tinySpace, [...drawn].reverse())).toEqual(front);
  });

  it('gives its share of the random nets, uniformly over its range of MACs', () => {
    expect(ids(1).every((id) => members.has(id))).toBe(true);
    const others = ids(0.5).filter((id) => !members.has(id)).length / 800;
    expect(others).toBeGreaterThan(0.4); // a few of the others are members by chance
    expect(others).toBeLessThan(0.55);
    const macsOf = new Map(front.map(({ arch, macs }) => [archId(tinySpace, arch), macs]));
    const drawnMacs = ids(1).map((id) => macsOf.get(id)!);
    const mean = drawnMacs.reduce((sum, macs) => sum + macs, 0) / drawnMacs.length;
    const [low, high] = [front[0]!.macs, front.at(-1)!.macs];
    expect(Math.abs((mean - low) / (high - low) - 0.5)).toBeLessThan(0.05);
  });

  it('changes nothing where the phase draws none from it', () => {
    expect(ids(0)).toEqual(
      Array.from({ length: 400 }, (_, worker) =>
        subnetsOfStep({ space: tinySpace, pool: recipe.pool, seed: 2, worker }, at(0)),
      )
        .flat()
        .map(({ arch }) => archId(tinySpace, arch)),
    );
  });
});

describe('imagesSeen', () => {
  it('adds up whole steps over the phases', () => {
    expect([0, 1, 100, 101, 150].map((steps) => imagesSeen(recipe, 1, steps))).toEqual([0, 8, 800, 808, 1200]);
    expect(imagesSeen(recipe, 3, totalSteps(recipe, 3))).toBe(34 * 24 + 17 * 24);
  });
});
