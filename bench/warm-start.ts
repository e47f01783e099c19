/**
 * Whether a search that begins with the fronts of earlier requests finds at least as good architectures as one that begins cold, at equal
 * evaluations: requests with random limits, one after the other, each searched cold and warm.
 *
 *   npm run bench:warm-start -- [--requests N] [--models DIR] [--seed N] [--quick] [--json]
 */
import { makeRng } from '../src/common/rng.js';
import { loadPredictor } from '../src/predictors/predictor.js';
import type { SearchResult } from '../src/search/result.js';
import { search } from '../src/search/search.js';
import { maxArch, minArch } from '../src/space/arch.js';
import { makeCostTable } from '../src/space/cost-table.js';
import type { Arch } from '../src/space/types.js';
import { type Predicting, searchOptionsOf } from '../src/specialize/search-options.js';
import type { Constraints, SpecializationRequest } from '../src/specialize/types.js';
import { EARLIER_FRONTS, warmArchs } from '../src/specialize/warm-start.js';
import { loadBundle } from '../src/supernet/bundle.js';
import {
  type BenchOptions,
  type BenchResult,
  countOption,
  findBundleDir,
  MODELS_OPTION,
  modelDirsOf,
  note,
  row,
  runBench,
  spread,
} from './harness.js';
import { mean, summarize } from './statistics.js';

const SETTINGS = {
  full: { requests: 40, evaluations: [1_000, 5_000, 50_000] },
  quick: { requests: 30, evaluations: [1_000] },
} as const;
/** Percentage points: a smaller difference of predictions is none. */
const NOTHING = 1e-4;

/** Limits on one or two costs, somewhere between the smallest and the largest network. */
function drawConstraints({ space, costs }: Predicting, rng: ReturnType<typeof makeRng>): Constraints {
  const [smallest, largest] = [minArch(space), maxArch(space)];
  const between = (of: (archs: readonly Arch[]) => Float64Array): number => {
    const [low = 1, high = 1] = of([smallest, largest]);
    return Math.round(low * (high / low) ** (0.15 + 0.6 * rng.next()));
  };
  const maxMacs = between(costs.macs);
  return rng.chance(0.5) ? { maxMacs } : { maxMacs, maxParams: Math.round(1.5 * between(costs.params)) };
}

interface Pair {
  readonly cold: SearchResult;
  readonly warm: SearchResult;
}

/** Gains of warm over cold, points of predicted top-1, per request. */
async function compare(
  models: Predicting,
  evaluations: number,
  requests: number,
  seed: number,
): Promise<readonly number[]> {
  const rng = makeRng(seed).fork(evaluations);
  const pairs: Pair[] = [];
  for (let i = 0; i < requests; i++) {
    const request: SpecializationRequest = {
      ...{ supernetId: 'bench', hardwareId: 'none', objective: 'accuracy', labels: {}, verify: { latency: 'skip' } },
      constraints: drawConstraints(models, rng),
      seed: rng.int(2 ** 31),
      search: { evaluations },
    };
    const options = searchOptionsOf(models, request);
    const earlier = pairs.slice(-EARLIER_FRONTS).reverse();
    const warmStart = warmArchs(
      earlier.map(({ warm }) => warm.paretoFront.map(({ arch }) => arch)),
      evaluations,
    );
    pairs.push({ cold: await search(options), warm: await search({ ...options, warmStart }) });
  }
  note(`${requests} requests at ${evaluations} evaluations`);
  // The first request has no earlier fronts.
  return pairs.slice(1).map(({ cold, warm }) => 100 * (warm.best.predictedTop1 - cold.best.predictedTop1));
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const requests = countOption(options, 'requests', settings.requests);
  const dir = findBundleDir(modelDirsOf(options.given.models));
  const { id, supernet } = await loadBundle(dir);
  const { space, sha256: weightsSha256 } = supernet;
  const predictor = await loadPredictor(dir, { space, weightsSha256 });
  const models: Predicting = { space, predictor, costs: makeCostTable(space), latency: undefined };
  try {
    const gains: Record<number, readonly number[]> = {};
    for (const evaluations of settings.evaluations) {
      gains[evaluations] = await compare(models, evaluations, requests, options.seed);
    }
    return {
      settings: { ...settings, requests, earlierFronts: EARLIER_FRONTS, supernet: id },
      figures: { gainPoints: gains },
      lines: Object.entries(gains).flatMap(([evaluations, points]) => [
        row(
          `${evaluations} evaluations, warm - cold`,
          `mean ${mean(points).toFixed(4)} points; ${spread(summarize(points), 'points')}`,
        ),
        row(
          '  better, equal, worse',
          [
            points.filter((gain) => gain > NOTHING).length,
            points.filter((gain) => Math.abs(gain) <= NOTHING).length,
            points.filter((gain) => gain < -NOTHING).length,
          ].join(', '),
        ),
      ]),
      hasFailed: Object.values(gains).some((points) => mean(points) < -NOTHING),
    };
  } finally {
    await predictor.release();
  }
}

await runBench({
  name: 'warm-start',
  options: {
    requests: `requests (${SETTINGS.full.requests}, quick ${SETTINGS.quick.requests})`,
    models: MODELS_OPTION,
  },
  run,
});
