/**
 * Networks of ImageNet's size, in this process, of supernets with random weights in the published spaces: how long the largest
 * sub-network takes from the weights to the bytes of its ONNX, and a whole specialization of the MobileNetV3 space of width 1.2 (search,
 * extraction, checks) under a latency on the published Note10 tables, where the reference data folder (BESPOKE_REFERENCE, by default
 * ../shared/reference) is there.
 *
 *   npm run bench:published -- [--runs N] [--max-latency-ms X] [--seed N] [--quick] [--json]
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newBundleMeaning } from '../src/cli/new-bundle.js';
import { openSearchPredictor } from '../src/cli/search-predictor.js';
import { BespokeError } from '../src/common/errors.js';
import { sha256 } from '../src/common/hash.js';
import { makeRng } from '../src/common/rng.js';
import { type ImportedTable, importTables } from '../src/hardware/import-tables.js';
import { makeLatencyModel } from '../src/hardware/latency-model.js';
import { parseLookupTable, tableResolution } from '../src/hardware/lookup-table.js';
import type { HardwareType, LatencyModel } from '../src/hardware/types.js';
import { runtimeVersion } from '../src/runtime/session.js';
import { maxArch } from '../src/space/arch.js';
import { makeCostTable } from '../src/space/cost-table.js';
import { lower } from '../src/space/lower.js';
import { PUBLISHED_SPACES } from '../src/space/published.js';
import type { SearchSpace } from '../src/space/types.js';
import { specialize, type Workbench } from '../src/specialize/specialize.js';
import type { Report } from '../src/specialize/types.js';
import { NO_IMAGES } from '../src/supernet/bundle.js';
import { extractSubnet } from '../src/supernet/extract.js';
import { randomWeights } from '../src/supernet/random-weights.js';
import { sliceSubnet } from '../src/supernet/slice.js';
import { storedStatistics } from '../src/supernet/stored-statistics.js';
import type { Bundle } from '../src/supernet/types.js';
import { VERSION } from '../src/version.js';
import { type BenchOptions, type BenchResult, countOption, digits, note, row, runBench, spread } from './harness.js';
import { REFERENCE } from './published-objective.js';
import { summarize } from './statistics.js';

const SPECIALIZED_SPACE = 'ofa-mbv3-w1.2';
const TABLE_RESOLUTIONS = [160, 176, 192, 208, 224] as const;
const EVALUATIONS = 50_000;
/** What a user waits for, seconds. */
const TARGETS = { specialization: 5, extraction: 0.5 } as const;

const NOTE10: HardwareType = {
  id: 'note10',
  name: 'Samsung Note10',
  device: 'Samsung Note10',
  runtime: 'not stated',
  precision: 'fp32',
  threads: 1,
  batch: 1,
  provenance: 'table',
};

/** A bundle of random weights, never on disk: there is nothing to calibrate with, as in an imported one. */
async function randomBundle({ id }: SearchSpace, seed: number): Promise<Bundle> {
  const { space, input, classNames } = await newBundleMeaning(id, []);
  const tensors = randomWeights(space, makeRng(seed));
  const supernet = { space, tensors, sha256: sha256(`${id} random ${seed}`) };
  const images = { calibration: NO_IMAGES, verification: NO_IMAGES };
  return { id, title: id, dir: '', supernet, input, classNames, ...images, figures: {} };
}

/** Seconds from the weights of a supernet to the bytes of its largest sub-network. */
function timeLargest(bundle: Bundle, runs: number) {
  const { space } = bundle.supernet;
  const arch = maxArch(space);
  const seconds: number[] = [];
  let bytes = 0;
  for (let run = 0; run <= runs; run++) {
    const start = performance.now();
    const subnet = sliceSubnet(bundle.supernet, arch, lower(space, arch));
    const statistics = storedStatistics(subnet);
    if (statistics === undefined) throw new BespokeError('internal', 'random weights without statistics');
    bytes = extractSubnet(bundle, subnet, statistics).model.byteLength;
    if (run > 0) seconds.push((performance.now() - start) / 1000); // the first run compiles
  }
  return { space: space.id, bytes, seconds: summarize(seconds) };
}

function readTables(folder: string): ImportedTable[] {
  return TABLE_RESOLUTIONS.map((resolution) => {
    const file = `${resolution}_lookup_table.yaml`;
    const text = readFileSync(join(folder, file), 'utf8');
    const entries = parseLookupTable(text, file);
    return { file, sha256: sha256(text), resolution: tableResolution(file, entries), entries };
  });
}

function note10Model(space: SearchSpace, folder: string): LatencyModel {
  const [profile] = importTables(readTables(folder), [space], NOTE10);
  if (profile === undefined) throw new BespokeError('no-latency-data', `${folder} has no tables of "${space.id}"`);
  return makeLatencyModel(space, profile);
}

async function runJob(bench: Workbench, maxLatencyMs: number, seed: number): Promise<Report> {
  const request = {
    supernetId: bench.bundle.id,
    hardwareId: NOTE10.id,
    constraints: { maxLatencyMs },
    objective: 'accuracy',
    seed,
    search: { evaluations: EVALUATIONS },
    verify: { latency: 'measured' },
    labels: {},
  } as const;
  const claim = { id: 'bench', attempt: 1, request, createdAt: new Date(0).toISOString() };
  const signal = new AbortController().signal;
  const outcome = await specialize(bench, claim, { signal, onProgress: () => {} });
  if (outcome.status === 'failed') throw new BespokeError(outcome.problem.code, outcome.problem.detail);
  return outcome.report;
}

/** Seconds of whole specializations, by stage; undefined where the reference data is absent. */
async function timeJobs(
  bundle: Bundle,
  { runs, maxLatencyMs, seed }: { runs: number; maxLatencyMs: number; seed: number },
) {
  const folder = join(REFERENCE, 'official');
  if (!existsSync(join(folder, 'note10'))) return undefined;
  const { space } = bundle.supernet;
  const predictor = await openSearchPredictor(join(folder, 'acc_predictor.pth'), space);
  const bench: Workbench = {
    bundle,
    predictor,
    costs: makeCostTable(space),
    latency: note10Model(space, join(folder, 'note10')),
    measuring: { latency: undefined, drift: undefined },
    versions: { bespoke: VERSION, onnxruntime: runtimeVersion(), node: process.version },
    now: () => performance.now(),
  };
  const reports: Report[] = [];
  for (let run = 0; run <= runs; run++) {
    const report = await runJob(bench, maxLatencyMs, seed + run);
    note(`specialization ${run}/${runs}: ${report.timings.totalSeconds.toFixed(2)} s`);
    reports.push(report);
  }
  await predictor.release();
  const [first, ...warm] = reports;
  const of = (stage: keyof Report['timings']) => summarize(warm.map(({ timings }) => timings[stage]));
  return {
    maxLatencyMs,
    evaluations: EVALUATIONS,
    firstSeconds: first?.timings.totalSeconds, // compiling included: what the first job of a server sees
    totalSeconds: of('totalSeconds'),
    searchSeconds: of('searchSeconds'),
    extractSeconds: of('extractSeconds'),
    calibrateSeconds: of('calibrateSeconds'),
    verifySeconds: of('verifySeconds'),
    delivered: warm.map(({ delivered, artifact }) => ({
      predictedTop1: delivered.predictedTop1,
      predictedLatencyMs: delivered.predictedLatencyMs,
      bytes: artifact.bytes,
    })),
  };
}

type Jobs = NonNullable<Awaited<ReturnType<typeof timeJobs>>>;

const jobLines = (jobs: Jobs): string[] => [
  `${SPECIALIZED_SPACE} within ${jobs.maxLatencyMs} ms on the Note10 tables, ${digits(jobs.evaluations)} evaluations; at most ${TARGETS.specialization} s wanted`,
  row('  search, extraction and checks', spread(jobs.totalSeconds, 's')),
  row('    search', spread(jobs.searchSeconds, 's')),
  row('    cutting out', spread(jobs.extractSeconds, 's')),
  row('    folding and writing ONNX', spread(jobs.calibrateSeconds, 's')),
  row('    checks', spread(jobs.verifySeconds, 's')),
  row('  the first of the process', `${digits(jobs.firstSeconds ?? Number.NaN)} s`),
];

async function run(options: BenchOptions): Promise<BenchResult> {
  const { isQuick, seed } = options;
  const runs = countOption(options, 'runs', isQuick ? 2 : 7);
  const maxLatencyMs = countOption(options, 'max-latency-ms', 25);
  const largest = [];
  let jobs: Jobs | undefined;
  for (const space of PUBLISHED_SPACES) {
    const bundle = await randomBundle(space, seed);
    largest.push(timeLargest(bundle, runs));
    note(`${space.id}: largest sub-network done`);
    if (space.id === SPECIALIZED_SPACE) jobs = await timeJobs(bundle, { runs, maxLatencyMs, seed });
  }
  return {
    settings: { runs, maxLatencyMs, evaluations: EVALUATIONS },
    figures: { largest, jobs: jobs ?? null },
    lines: [
      `largest sub-network, from the weights to the bytes of its ONNX; at most ${TARGETS.extraction} s wanted`,
      ...largest.map(({ space, bytes, seconds }) => row(`  ${space}, ${digits(bytes)} bytes`, spread(seconds, 's'))),
      ...(jobs === undefined ? ['specialization: not run, the reference data folder is absent'] : jobLines(jobs)),
    ],
  };
}

await runBench({
  name: 'published',
  options: { runs: 'timed repetitions (default 7)', 'max-latency-ms': 'whole milliseconds (default 25)' },
  run,
});
