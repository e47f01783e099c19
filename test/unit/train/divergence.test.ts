import { describe, expect, it } from 'vitest';
import { archId } from '../../../src/space/arch.js';
import { brokenParameter, DivergenceWatch, netName, refuseDivergence } from '../../../src/train/divergence.js';
import { positionOf } from '../../../src/train/phases.js';
import type { NetReport } from '../../../src/train/step-runner.js';
import { subnetsOfStep } from '../../../src/train/subnet-schedule.js';
import { tinyRecipe, tinySpace } from './tiny-run.js';

/** 200 steps of the first phase, 100 of the second. */
const recipe = tinyRecipe(1600);
const context = { space: tinySpace, recipe, seed: 5, workers: 1 };
const report = (role: NetReport['role'], loss: number): NetReport => ({ role, loss, correct: 0, images: 8, ms: 1 });

describe('DivergenceWatch', () => {
  /** The warnings of a run whose random nets have this loss at each step. */
  function warningsOf(lossAt: (step: number) => number): { step: number; warning: string }[] {
    const watch = new DivergenceWatch(context);
    return Array.from({ length: 300 }, (_, step) => step).flatMap((step) => {
      const reports = [report('largest', 0.5), report('random', lossAt(step))];
      const warning = watch.observe(positionOf(recipe, 1, step), reports);
      return warning === undefined ? [] : [{ step, warning }];
    });
  }

  it('warns once per phase of a loss far above that of uniform guesses, ln 3 = 1.0986', () => {
    const found = warningsOf(() => 3.4); // 3 ln 3 = 3.296
    // Warm-ups are 20 and 10 steps; the 50 after them are looked at.
    expect(found.map(({ step }) => step)).toEqual([69, 259]);
    expect(found[0]?.warning).toMatch(/random nets over 50 steps is 3\.40, uniform guesses have 1\.10; .*lower lr/);
    expect(found[1]?.warning).toContain('phase "students", its step 59 of 100');
  });

  it('is silent below, in the warm-up, and for a spike', () => {
    expect(warningsOf(() => 3.2)).toEqual([]);
    expect(warningsOf((step) => (step < 20 ? 1000 : 1))).toEqual([]);
    expect(warningsOf((step) => (step === 100 ? 90 : 1))).toEqual([]);
  });

  it('warns later in a phase that went well at first', () => {
    expect(warningsOf((step) => (step >= 120 && step < 200 ? 9 : 1)).map(({ step }) => step)).toEqual([169]);
  });
});

describe('a divergence', () => {
  it('names the net, also which random one of which worker', () => {
    const two = { ...context, workers: 2 };
    const position = positionOf(recipe, 2, 8); // the largest net is trained every second step
    const worker = [report('largest', 1), report('smallest', 1), report('random', 1)];
    const reports = [...worker, ...worker];
    expect(netName(two, position, reports, 3)).toBe('the largest net');
    const { pool } = recipe;
    const [scheduled] = subnetsOfStep({ space: tinySpace, pool, seed: 5, worker: 1 }, position);
    const { arch } = scheduled!;
    expect(netName(two, position, reports, 5)).toBe(
      `the random net ${archId(tinySpace, arch).slice(0, 12)} at ${arch.resolution} pixels`,
    );
  });

  it('names the parameter that broke', () => {
    const slot = (name: string, offset: number, size: number) => ({ name, dims: [size], offset, size, decays: true });
    const slots = [slot('a', 0, 2), slot('b', 2, 3)];
    const layout = { slots, byName: new Map(slots.map((one) => [one.name, one])), size: 5 };
    expect(brokenParameter(layout, Float32Array.of(1, 2, 3, Number.NaN, 5))).toBe('b');
    expect(brokenParameter(layout, Float32Array.of(1, 2, 3, 4, 5))).toBeUndefined();
  });

  it('is told with the step, the phase and what to change', () => {
    const refuse = () => refuseDivergence(context, positionOf(recipe, 1, 210), 'a loss is NaN');
    expect(refuse).toThrow(/at step 210 \(phase "students", its step 10 of 100\): a loss is NaN; .*checkpoints.*kept/);
    expect(refuse).toThrow(/lower lr in that phase \(0\.05; .*clipNorm \(4\).*warmup \(0\.1\)/);
  });
});
