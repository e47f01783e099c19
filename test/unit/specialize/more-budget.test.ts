import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import type { LatencyProfile } from '../../../src/hardware/types.js';
import type { AccuracyPredictor } from '../../../src/predictors/predictor.js';
import { everyGenome, makeGenetics, toArch } from '../../../src/search/genome.js';
import { search } from '../../../src/search/search.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import type { Arch, SearchSpace } from '../../../src/space/types.js';
import { moreBudget } from '../../../src/specialize/more-budget.js';
import { type Predicting, searchOptionsOf } from '../../../src/specialize/search-options.js';
import type { SpecializationRequest } from '../../../src/specialize/types.js';
import { TINY_SPACE } from '../../helpers/tiny-bundle.js';

/** So small that every search lists it: what is said can be held against the list. */
const SPACE: SearchSpace = {
  ...TINY_SPACE,
  id: 'listed',
  kernelSizes: [3, 5],
  expandRatios: [2, 4],
  stages: TINY_SPACE.stages.map((stage) => ({ ...stage, depths: [1, 2] })),
} as SearchSpace; // of the same family as the tiny space

const genetics = makeGenetics(SPACE, SPACE.resolutions);
const ALL: readonly Arch[] = Array.from(everyGenome(genetics), (genome) => toArch(genetics, genome));
const costs = makeCostTable(SPACE);

/** More MACs are better, with some luck. */
const scoreOf = (arch: Arch): number => {
  const luck = makeRng(costs.macs([arch])[0]! + 7 * costs.params([arch])[0]!).next();
  return Math.fround(0.1 + 0.05 * Math.log(costs.macs([arch])[0]!) + 0.001 * luck);
};
const score = async (archs: readonly Arch[]): Promise<Float32Array> => Float32Array.from(archs, scoreOf);
const predictor: AccuracyPredictor = {
  spaceId: SPACE.id,
  resolutions: SPACE.resolutions,
  score,
  asObjective: () => ({ score }),
  interval: (value) => ({ low: value, high: value }),
  shortfall: () => 0.01,
  release: async () => {},
};
const profile: LatencyProfile = {
  hardware: {
    ...{ id: 'h', name: 'A phone', device: 'cpu', runtime: 'any', precision: 'fp32', threads: 1, batch: 1 },
    provenance: 'measured',
  },
  ...{
    schema: 1,
    spaceId: SPACE.id,
    statistic: 'p50',
    method: 'made up',
    revision: '',
    table: {},
    scale: 1,
    offsetMs: 0,
  },
  ...{ resolutions: SPACE.resolutions, residuals: [-0.1, 0, 0.2] },
};
/** A nanosecond for each MAC. */
const latency = {
  profile,
  predict: (archs: readonly Arch[]) => costs.macs(archs).map((macs) => macs / 1e6),
};
const models: Predicting = { space: SPACE, predictor, costs, latency };

const request = (changes: Partial<SpecializationRequest>): SpecializationRequest => ({
  ...{ supernetId: 's', hardwareId: 'h', constraints: {}, objective: 'accuracy', seed: 1, labels: {} },
  ...{ search: { evaluations: 20_000 }, verify: { latency: 'skip' } },
  ...changes,
});

const { signal } = new AbortController();

async function answers(asked: SpecializationRequest, secondsLeft?: () => number) {
  const searched = await search(searchOptionsOf(models, asked));
  const more = secondsLeft === undefined ? {} : { secondsLeft };
  return { searched, relaxations: await moreBudget({ models, request: asked, searched, steps: { signal }, ...more }) };
}

const macsOf = (arch: Arch): number => costs.macs([arch])[0]!;
const paramsOf = (arch: Arch): number => costs.params([arch])[0]!;
const middle = (of: (arch: Arch) => number): number => ALL.map(of).sort((a, b) => a - b)[ALL.length >> 1]!;

describe('moreBudget', () => {
  it('says what 5 % more of each limit buys alone, exactly where the space is listed', async () => {
    const [maxMacs, maxParams] = [middle(macsOf), 2 * middle(paramsOf)];
    const { relaxations } = await answers(request({ constraints: { maxMacs, maxParams } }));
    const best = (macs: number, params: number): number =>
      Math.max(...ALL.filter((arch) => macsOf(arch) <= macs && paramsOf(arch) <= params).map(scoreOf));
    expect(relaxations.map(({ id }) => id)).toEqual(['maxMacs', 'maxParams']);
    const [macs, params] = relaxations;
    expect(macs).toMatchObject({ limit: maxMacs, relaxedLimit: Math.floor(1.05 * maxMacs), figure: 'predictedTop1' });
    expect(macs).toMatchObject({ from: best(maxMacs, maxParams), to: best(Math.floor(1.05 * maxMacs), maxParams) });
    expect(params).toMatchObject({ from: best(maxMacs, maxParams), to: best(maxMacs, Math.floor(1.05 * maxParams)) });
    expect(relaxations.some(({ from, to = 0 }) => to > from)).toBe(true); // else this test would show nothing
  });

  it('holds latencies and accuracies against their bounds where a confidence was asked for', async () => {
    const maxLatencyMs = middle(macsOf) / 1e6;
    const asked = request({ constraints: { maxLatencyMs }, search: { evaluations: 20_000, confidence: 0.7 } });
    const { relaxations } = await answers(asked);
    const best = (ms: number): number =>
      Math.max(...ALL.filter((arch) => (1.2 * macsOf(arch)) / 1e6 <= ms).map(scoreOf)); // the third of three residuals
    expect(relaxations[0]).toMatchObject({ from: best(maxLatencyMs), to: best(1.05 * maxLatencyMs) });
  });

  it('says for the fewest MACs what half a point of accuracy less saves', async () => {
    const minTop1 = middle(scoreOf);
    const { relaxations } = await answers(request({ objective: 'macs', constraints: { minTop1 } }));
    const fewest = (top1: number): number => Math.min(...ALL.filter((arch) => scoreOf(arch) >= top1).map(macsOf));
    expect(relaxations).toHaveLength(1);
    expect(relaxations[0]).toMatchObject({ id: 'minTop1', relaxedLimit: minTop1 - 0.005, figure: 'macs' });
    expect(relaxations[0]).toMatchObject({ from: fewest(minTop1), to: fewest(minTop1 - 0.005) });
  });

  it('leaves out the accuracy where that is what is maximized', async () => {
    const { relaxations } = await answers(request({ constraints: { maxMacs: middle(macsOf), minTop1: 0.1 } }));
    expect(relaxations.map(({ id }) => id)).toEqual(['maxMacs']);
  });

  it('says that it is unknown where the time limit leaves no further search', async () => {
    const { relaxations, searched } = await answers(request({ constraints: { maxMacs: middle(macsOf) } }), () => 0);
    expect(relaxations[0]).toMatchObject({
      evaluations: 0,
      from: searched.best.predictedTop1,
      why: expect.stringContaining('time limit'),
    });
    expect(relaxations[0]?.to).toBeUndefined();
  });

  it('lets all further searches share the time that is left', async () => {
    const left = [5, 5, 0]; // of the first limit, asked before and for its search; of the second
    const asked = request({ constraints: { maxMacs: middle(macsOf), maxParams: 2 * middle(paramsOf) } });
    const { relaxations } = await answers(asked, () => left.shift() ?? 0);
    expect(relaxations.map(({ to }) => to === undefined)).toEqual([false, true]);
  });

  it('is the same each time', async () => {
    const asked = request({ constraints: { maxMacs: middle(macsOf) }, search: { evaluations: 1000 }, seed: 9 });
    expect((await answers(asked)).relaxations).toEqual((await answers(asked)).relaxations);
  });
});
