import { describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { makeRng } from '../../../src/common/rng.js';
import { checkFeasibleFast } from '../../../src/search/infeasible.js';
import { search } from '../../../src/search/search.js';
import type { Constraint } from '../../../src/search/types.js';
import { minArch } from '../../../src/space/arch.js';
import { makeBlockTable } from '../../../src/space/block-table.js';
import { archCosts } from '../../../src/space/costs.js';
import type { Arch } from '../../../src/space/types.js';
import { everyArch } from '../space/every-arch.js';
import { bundledSpace } from '../space/published-spaces.js';
import { tinySpace } from '../space/tiny-space.js';
import { describeWith, limitOn, makeObjective, toyScore } from './toy-objective.js';

const TINY = tinySpace();

async function failureOf(constraints: readonly Constraint[], minScore?: number): Promise<BespokeError> {
  const failure = await search({
    space: TINY,
    objective: makeObjective(toyScore(TINY, 1)),
    constraints,
    describe: describeWith(TINY),
    evaluations: 300,
    seed: 1,
    resolutions: TINY.resolutions,
    frontAxis: 'macs',
    ...(minScore === undefined ? {} : { minScore }),
  }).catch((error: unknown) => error);
  if (failure instanceof BespokeError) return failure;
  throw new Error(`the search did not fail as expected: ${String(failure)}`);
}

/** A latency that is not monotone in the kernel: the middle one is the fastest in the second stage. */
function oddLatency(max: number): Constraint {
  const table = makeBlockTable(TINY, (layers) => {
    const depthwise = layers.find(({ op }) => op === 'depthwise');
    const kernel = depthwise?.op === 'depthwise' ? depthwise.kernel : 0;
    return layers[0]?.stageIndex === 1 ? 9 - kernel + layers.length / 8 : kernel;
  });
  return { id: 'maxLatencyMs', max, cost: (archs) => table.total(archs) };
}

describe('an infeasible search', () => {
  it('names the constraint that the smallest network breaks, and its value', async () => {
    const { macs } = archCosts(TINY, minArch(TINY));
    const failure = await failureOf([limitOn(TINY, 'macs', macs - 1), limitOn(TINY, 'params', 1e9)]);
    expect(failure.code).toBe('infeasible-constraints');
    expect(failure.message).toBe(
      `No architecture of "${TINY.id}" meets maxMacs ${macs - 1} (the smallest possible with the others as asked is ${macs}).`,
    );
    expect(failure.extras.binding).toEqual(['maxMacs']);
    expect(failure.extras.nearestFeasible?.maxMacs).toBe(macs);
  });

  it('speaks of no others where there is one constraint', async () => {
    const { macs } = archCosts(TINY, minArch(TINY));
    const { message } = await failureOf([limitOn(TINY, 'macs', macs - 1)]);
    expect(message).toBe(
      `No architecture of "${TINY.id}" meets maxMacs ${macs - 1} (the smallest possible is ${macs}).`,
    );
  });

  it('gives for each constraint the smallest value with the others as asked', async () => {
    const { macs, params } = archCosts(TINY, minArch(TINY));
    const failure = await failureOf([limitOn(TINY, 'macs', macs - 1), limitOn(TINY, 'params', params - 1)]);
    expect(failure.extras.binding).toEqual(['maxMacs', 'maxParams']);
    expect(failure.extras.nearestFeasible).toEqual({}); // relaxing one alone does not help
  });

  it('finds constraints that exclude each other though each can be met alone, as brute force does', async () => {
    const archs = everyArch(TINY);
    const latency = oddLatency(Number.POSITIVE_INFINITY);
    const times = [...latency.cost(archs)];
    const fastest = Math.min(...times);
    const fast = archs.filter((_, index) => times[index] === fastest);
    const macsOfFast = Math.min(...fast.map((arch) => archCosts(TINY, arch).macs));
    const limit = limitOn(TINY, 'macs', macsOfFast - 1);
    const nearest = Math.min(...times.filter((_, index) => archCosts(TINY, archs[index]!).macs < macsOfFast));
    expect(nearest).toBeGreaterThan(fastest);
    const failure = await failureOf([limit, oddLatency(fastest)]);
    expect(failure.extras.binding).toEqual(['maxMacs', 'maxLatencyMs']);
    expect(failure.extras.nearestFeasible).toEqual({ maxMacs: macsOfFast, maxLatencyMs: nearest });
  });

  it('says how accurate it gets where that is not enough', async () => {
    const score = toyScore(TINY, 1);
    const best = Math.max(...everyArch(TINY).map(score));
    const failure = await failureOf([], best + 0.1);
    expect(failure.extras.binding).toEqual(['minTop1']);
    const reached = failure.extras.nearestFeasible?.minTop1 ?? 0;
    expect(reached).toBeLessThanOrEqual(best);
    expect(reached).toBeGreaterThan(0.9 * best);
    expect(failure.message).toContain(`${reached}`);
  });
});

describe('checkFeasibleFast', () => {
  it('finds nothing to say where something fits, though the smallest network does not', () => {
    const archs = everyArch(TINY);
    const latency = oddLatency(Number.POSITIVE_INFINITY);
    const fastest = Math.min(...latency.cost(archs));
    expect(latency.cost([minArch(TINY)])[0]).toBeGreaterThan(fastest);
    expect(checkFeasibleFast(TINY, [oddLatency(fastest)], TINY.resolutions)).toBeUndefined();
    expect(checkFeasibleFast(TINY, [oddLatency(fastest - 1e-9)], TINY.resolutions)).toEqual({
      binding: ['maxLatencyMs'],
      nearestFeasible: { maxLatencyMs: fastest },
    });
  });

  it('finds the fastest, as brute force does, where another resolution favors other blocks', () => {
    const archs = everyArch(TINY);
    for (let seed = 1; seed <= 40; seed++) {
      const rng = makeRng(seed);
      const key = (layers: readonly object[], resolution: number): string => `${JSON.stringify(layers)}${resolution}`;
      const table = makeBlockTable(TINY, (layers, at) => 0.1 + rng.fork(key(layers, at)).next());
      const cost = (list: readonly Arch[]): Float64Array => table.total(list);
      const fastest = Math.min(...cost(archs));
      const limit = (max: number): Constraint => ({ id: 'maxLatencyMs', max, cost });
      expect(checkFeasibleFast(TINY, [limit(fastest)], TINY.resolutions), `seed ${seed}`).toBeUndefined();
      const below = checkFeasibleFast(TINY, [limit(fastest - 1e-9)], TINY.resolutions);
      expect(below?.nearestFeasible).toEqual({ maxLatencyMs: fastest });
    }
  });

  it('looks at the asked resolutions alone', () => {
    const space = bundledSpace();
    const { macs } = archCosts(space, minArch(space));
    const limit = limitOn(space, 'macs', macs);
    expect(checkFeasibleFast(space, [limit], [20, 24])).toBeUndefined();
    const atLeast = archCosts(space, { ...minArch(space), resolution: 24 }).macs;
    expect(checkFeasibleFast(space, [limit], [28, 24])).toEqual({
      binding: ['maxMacs'],
      nearestFeasible: { maxMacs: atLeast },
    });
  });
});
