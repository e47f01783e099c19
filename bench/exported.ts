/**
 * Speed of what is delivered: models exported here beside what the published code and PyTorch make of the same networks and weights,
 * in onnxruntime-node and in onnxruntime-web (WebAssembly in this process), one thread, batch 1, in turn.
 *
 *   npm run bench:exported -- [--reference DIR] [--models DIR] [--python FILE] [--seed N] [--quick] [--json]
 *
 * Both sides get no optimization but the runtime's own. Where the outputs differ, nothing is timed and the run fails.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as web from 'onnxruntime-web';
import { makeRng } from '../src/common/rng.js';
import { decodeModel } from '../src/onnx/codec.js';
import { createSession } from '../src/runtime/session.js';
import { sizeOf } from '../src/tensor/tensor.js';
import {
  bundleNetwork,
  type ExportedNetwork,
  exportByPyTorch,
  PUBLISHED_EXPORT,
  referenceFolder,
  referenceNetworks,
} from './exported-networks.js';
import {
  type BenchOptions,
  type BenchResult,
  findBundleDir,
  MODELS_OPTION,
  modelDirsOf,
  note,
  openDataDir,
  row,
  runBench,
  spread,
} from './harness.js';
import { median, summarize } from './statistics.js';

/** Rounds per pair and timed runs of one side in a row. */
const SETTINGS = {
  full: { node: { rounds: 21, burst: 10 }, web: { rounds: 15, burst: 3 } },
  quick: { node: { rounds: 4, burst: 3 }, web: { rounds: 2, burst: 1 } },
} as const;
type Timing = { readonly rounds: number; readonly burst: number };

/** max |difference of outputs| / max |output|, beyond which the two are not the same network. */
const SAME_OUTPUT = 1e-4;

const RUNTIMES = ['node', 'web'] as const;
type Runtime = (typeof RUNTIMES)[number];

/** One network as two models. */
interface Pair {
  readonly name: string;
  /** Whose model ours is raced against. */
  readonly against: string;
  readonly ours: Uint8Array;
  readonly theirs: Uint8Array;
}

interface Loaded {
  readonly run: () => Promise<Float32Array>;
  readonly release: () => Promise<void>;
}

interface Input {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

async function load(runtime: Runtime, model: Uint8Array, { dims, data }: Input): Promise<Loaded> {
  const floatsOf = (value: unknown): Float32Array => {
    if (value instanceof Float32Array) return value;
    throw new Error('an output that is not float32');
  };
  if (runtime === 'web') {
    web.env.wasm.numThreads = 1;
    const session = await web.InferenceSession.create(model, { executionProviders: ['wasm'], logSeverityLevel: 3 });
    const input = new web.Tensor('float32', data, [...dims]);
    return {
      run: async () => floatsOf((await session.run({ input })).logits?.data),
      release: () => session.release(),
    };
  }
  const session = await createSession(model, { threads: 1, optimization: 'all' });
  const input = { type: 'float32' as const, dims, data };
  return {
    run: async () => floatsOf((await session.run({ input })).logits?.data),
    release: () => session.release(),
  };
}

/** A seeded standard-normal image of a model's own shape. */
function inputOf(model: Uint8Array, seed: number): Input {
  const [info] = decodeModel(model).graph.inputs;
  const dims = (info?.dims ?? []).map((dim) => (typeof dim === 'number' ? dim : 1));
  const rng = makeRng(seed);
  return { dims, data: Float32Array.from({ length: sizeOf(dims) }, () => rng.normal()) };
}

function difference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const most = a.reduce((error, value, i) => Math.max(error, Math.abs(value - (b[i] ?? Number.NaN))), 0);
  return Number.isNaN(most) ? Number.POSITIVE_INFINITY : most / largest;
}

/** Median milliseconds of a burst of runs, after one that brings its data into the caches. */
async function burst({ run }: Loaded, count: number): Promise<number> {
  await run();
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return median(times);
}

interface Raced {
  readonly name: string;
  readonly against: string;
  /** Relative difference of the outputs. */
  readonly difference: number;
  /** Milliseconds per round. */
  readonly oursMs: readonly number[];
  readonly theirsMs: readonly number[];
}

/** Times both in turn; who begins changes with every round. */
async function race(runtime: Runtime, pair: Pair, timing: Timing, options: BenchOptions): Promise<Raced> {
  const input = inputOf(pair.ours, options.seed);
  const ours = await load(runtime, pair.ours, input);
  const theirs = await load(runtime, pair.theirs, input);
  const oursMs: number[] = [];
  const theirsMs: number[] = [];
  try {
    const differs = difference(await ours.run(), await theirs.run());
    for (let round = 0; round < timing.rounds && differs <= SAME_OUTPUT; round++) {
      if (round > 0 && options.isOutOfTime()) break;
      const order = [() => burst(ours, timing.burst).then((ms) => oursMs.push(ms))];
      order[round % 2 === 0 ? 'push' : 'unshift'](() => burst(theirs, timing.burst).then((ms) => theirsMs.push(ms)));
      for (const turn of order) await turn();
    }
    return { name: pair.name, against: pair.against, difference: differs, oursMs, theirsMs };
  } finally {
    await ours.release();
    await theirs.release();
  }
}

const ratiosOf = ({ oursMs, theirsMs }: Raced): number[] => oursMs.map((ms, i) => ms / (theirsMs[i] ?? Number.NaN));

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** The geometric mean over networks of the median ratio, and of every round's ratios for the spread. */
function overall(raced: readonly Raced[]) {
  const ratios = raced.map(ratiosOf);
  const rounds = Math.min(...ratios.map(({ length }) => length));
  const perRound = Array.from({ length: rounds }, (_, round) =>
    geometricMean(ratios.map((list) => list[round] ?? Number.NaN)),
  );
  return { geometricMeanRatio: geometricMean(ratios.map(median)), perRound: summarize(perRound) };
}

function linesOf(runtime: Runtime, raced: readonly Raced[]): string[] {
  const title = runtime === 'node' ? 'onnxruntime-node' : 'onnxruntime-web (wasm)';
  const lines = raced.map((each) => {
    const ms = `${median(each.oursMs).toFixed(3)} ms against ${median(each.theirsMs).toFixed(3)} ms`;
    const ratios = spread(summarize(ratiosOf(each)), '');
    return row(
      `  ${each.name}`,
      `${ms} (${each.against}); ratio ${ratios}; outputs differ by ${each.difference.toExponential(1)}`,
    );
  });
  const { geometricMeanRatio, perRound } = overall(raced);
  const verdict = geometricMeanRatio <= 1 ? 'at most 1.0' : 'ABOVE 1.0';
  return [
    title,
    ...lines,
    row(
      '  geometric mean, ours / theirs',
      `${geometricMeanRatio.toFixed(3)} (${verdict}); by round ${spread(perRound, '')}`,
    ),
  ];
}

async function makePairs(options: BenchOptions, dir: string): Promise<{ pairs: readonly Pair[]; pytorch: string }> {
  const reference = referenceFolder(options.given.reference);
  const [published, ...further] = referenceNetworks(reference);
  const bundled = await bundleNetwork(findBundleDir(modelDirsOf(options.given.models)));
  const networks: readonly ExportedNetwork[] = [...further, bundled];
  note('networks cut; PyTorch exports its own');
  const python = options.given.python ?? '/usr/bin/python3';
  const exported = exportByPyTorch(networks, dir, python);
  const theirs = readFileSync(join(reference, PUBLISHED_EXPORT.file));
  const first =
    published === undefined ? [] : [{ name: published.name, against: 'published', ours: published.model, theirs }];
  const rest = networks.flatMap(({ name, model }, index) => {
    const other = exported?.models[index];
    return other === undefined ? [] : [{ name, against: 'PyTorch', ours: model, theirs: other }];
  });
  return { pairs: [...first, ...rest], pytorch: exported?.version ?? `not measured: ${python} has no torch` };
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const folder = openDataDir(undefined);
  try {
    const { pairs, pytorch } = await makePairs(options, folder.dir);
    const raced: Record<Runtime, Raced[]> = { node: [], web: [] };
    for (const runtime of RUNTIMES) {
      for (const pair of pairs) {
        raced[runtime].push(await race(runtime, pair, settings[runtime], options));
        note(`${runtime}: ${pair.name}`);
      }
    }
    const different = RUNTIMES.flatMap((runtime) => raced[runtime].filter((each) => each.difference > SAME_OUTPUT));
    return {
      settings: { ...settings, threads: 1, batch: 1, pytorch, onnxruntimeWeb: web.env.versions.web },
      figures: Object.fromEntries(
        RUNTIMES.map((runtime) => [
          runtime,
          {
            ...overall(raced[runtime]),
            networks: raced[runtime].map((each) => ({ ...each, ratio: summarize(ratiosOf(each)) })),
          },
        ]),
      ),
      lines: [row('PyTorch', pytorch), '', ...RUNTIMES.flatMap((runtime) => [...linesOf(runtime, raced[runtime]), ''])],
      hasFailed: different.length > 0,
    };
  } finally {
    folder.remove();
  }
}

await runBench({
  name: 'exported',
  options: {
    reference: 'folder of the reference data (default: BESPOKE_REFERENCE, or ../shared/reference)',
    models: MODELS_OPTION,
    python: 'a Python that has torch and numpy (default: /usr/bin/python3)',
  },
  run,
});
