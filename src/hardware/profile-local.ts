import { invariant } from '../common/invariant.js';
import { makeRng, type Rng } from '../common/rng.js';
import type { WorkOptions } from '../common/work.js';
import { float, GraphBuilder } from '../onnx/builder.js';
import { encodeModel } from '../onnx/codec.js';
import { archId, maxArch, minArch } from '../space/arch.js';
import { blockGroups, blockKey } from '../space/blocks.js';
import { lower } from '../space/lower.js';
import { sampleArch } from '../space/sample.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { completeTable, distinctBlocks, measuredResolutions } from './blocks.js';
import { type Affine, fitAffine, holdoutErrors } from './fit.js';
import { localCpu } from './local-cpu.js';
import { timePasses } from './passes.js';
import { profileRevision } from './profile-file.js';
import { randomModel } from './random-model.js';
import type { LatencyProfile } from './types.js';

/** Whole networks that the fit sees, and as many others that its error is stated on. */
const FIT_NETS = 14;
const HOLDOUT_NETS = 24;
const PASSES = 9;
const RUNS_PER_PASS = 15;
/** Shares of the fitted networks, by latency, that become the profile's references. */
const REFERENCE_SHARES = [0.25, 0.5, 0.75];

export interface ProfileOptions extends WorkOptions {
  /** Which networks are measured. */
  readonly seed: number;
  /** Time for the passes; more passes than needed are not made. 20 unless told. */
  readonly seconds?: number;
}

/** A model that does nothing to one number: its time is what a call costs by itself. */
function emptyModel(): Uint8Array {
  const graph = new GraphBuilder('empty');
  const x = graph.input('input', 'float32', ['N', 1]);
  graph.output(graph.node('LeakyRelu', [x], { attributes: { alpha: float(0.5) } }), 'float32', ['N', 1]);
  return encodeModel(graph.model());
}

/** Distinct random networks; the first are the largest and the smallest, so that the fit does not reach beyond its data. */
function chooseNets(space: SearchSpace, count: number, rng: Rng): Arch[] {
  const chosen = new Map([maxArch(space), minArch(space)].map((arch) => [archId(space, arch), arch]));
  // A tiny space may have fewer networks than wanted.
  for (let tries = 0; chosen.size < count && tries < 50 * count; tries++) {
    const arch = sampleArch(space, rng);
    chosen.set(archId(space, arch), arch);
  }
  return [...chosen.values()];
}

/** Sum of the table over each network's blocks. */
function tableSums(space: SearchSpace, nets: readonly Arch[], table: Readonly<Record<string, number>>): number[] {
  const msOf = (key: string): number => {
    const ms = table[key];
    invariant(ms !== undefined, () => `no time for the block "${key}"`);
    return ms;
  };
  return nets.map((net) => blockGroups(lower(space, net)).reduce((sum, layers) => sum + msOf(blockKey(layers)), 0));
}

/** Networks spread over the range of latency, with their times. */
function chooseReferences(
  nets: readonly Arch[],
  ms: readonly number[],
): { readonly arch: Arch; readonly ms: number }[] {
  const sorted = nets.map((arch, i) => ({ arch, ms: ms[i]! })).sort((a, b) => a.ms - b.ms);
  return REFERENCE_SHARES.map((share) => sorted[Math.round(share * (sorted.length - 1))]!); // shares lie in 0..1
}

interface Times {
  readonly blocks: ReadonlyMap<string, number>;
  readonly nets: readonly number[];
}

/** Measures blocks and whole networks in the same passes. A block's time is less what a call costs by itself. */
async function measure(
  space: SearchSpace,
  nets: readonly Arch[],
  at: readonly number[],
  options: ProfileOptions,
): Promise<Times> {
  const rng = makeRng(options.seed).fork('weights');
  const blocks = [...distinctBlocks(space, at)];
  const models = [
    emptyModel,
    ...blocks.map(
      ([, layers]) =>
        () =>
          randomModel(layers, rng),
    ),
    ...nets.map((net) => () => randomModel(lower(space, net), rng)),
  ];
  const { times } = await timePasses(models, {
    passes: PASSES,
    runs: RUNS_PER_PASS,
    maxMs: 1000 * (options.seconds ?? 20),
    rng: makeRng(options.seed).fork('order'),
    signal: options.signal,
    onProgress: options.onProgress,
  });
  const callMs = times[0]!; // the empty model is the first
  return {
    blocks: new Map(blocks.map(([key], i) => [key, Math.max(0, times[1 + i]! - callMs)])),
    nets: times.slice(1 + blocks.length),
  };
}

/**
 * Measures this machine's latency model for a space: a table of every distinct block, measured alone with hot caches, then an affine
 * fit on whole networks with random weights, with the error on other networks that the fit has not seen.
 * Callers hold the measurement lock. Takes about ten seconds for a space of small networks.
 * @throws the signal's reason if aborted
 * Source: docs/latency.md; Cai et al. 2020, section 3.4 (latency lookup table)
 */
export async function profileLocalCpu(space: SearchSpace, options: ProfileOptions): Promise<LatencyProfile> {
  const startedAt = performance.now();
  const at = measuredResolutions(space.resolutions);
  const nets = chooseNets(space, FIT_NETS + HOLDOUT_NETS, makeRng(options.seed).fork('networks'));
  const fitted = Math.min(FIT_NETS, nets.length >> 1);
  const times = await measure(space, nets, at, options);
  const table = completeTable(space, times.blocks, at);
  const sums = tableSums(space, nets, table);
  const { scale, offset }: Affine = fitAffine(sums.slice(0, fitted), times.nets.slice(0, fitted));
  const predicted = sums.map((sum) => scale * sum + offset);
  const figures = {
    schema: 1,
    hardware: localCpu(),
    spaceId: space.id,
    statistic: 'p50',
    method: 'blocks measured alone with hot caches, then an affine fit on whole networks',
    resolutions: [...space.resolutions],
    table,
    scale,
    offsetMs: offset,
    holdout: holdoutErrors(predicted.slice(fitted), times.nets.slice(fitted)),
    references: chooseReferences(nets.slice(0, fitted), times.nets.slice(0, fitted)),
  } as const;
  return {
    ...figures,
    revision: profileRevision(figures),
    measuredAt: new Date().toISOString(),
    seconds: (performance.now() - startedAt) / 1000,
  };
}
