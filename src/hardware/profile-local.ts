import { BespokeError } from '../common/errors.js';
import { makeRng, type Rng } from '../common/rng.js';
import type { WorkOptions } from '../common/work.js';
import { archId, maxArch, minArch } from '../space/arch.js';
import { blockGroups, blockKey } from '../space/blocks.js';
import { lower } from '../space/lower.js';
import { sampleArch } from '../space/sample.js';
import type { Arch, SearchSpace } from '../space/types.js';
import { type BlockLayers, completeTable, distinctBlocks, measuredResolutions } from './blocks.js';
import { fitRelative, holdoutErrors, relativeResiduals } from './fit.js';
import { localCpu } from './local-cpu.js';
import { timePasses } from './passes.js';
import { profileRevision } from './profile-file.js';
import { randomModel } from './random-model.js';
import type { MeasuredProfile } from './types.js';

/** Whole networks that the fit sees, and as many others that its error is stated on. */
const FIT_NETS = 40;
const HOLDOUT_NETS = 30;
const PASSES = 15;
const RUNS_PER_PASS = 15;
/** Shares of the fitted networks, by latency, that become the profile's references. */
const REFERENCE_SHARES = [0.25, 0.5, 0.75];

export interface ProfileOptions extends WorkOptions {
  /** Which networks are measured. */
  readonly seed: number;
  /** Time for the passes; more passes than needed are not made. 20 unless told. */
  readonly seconds?: number;
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

/** Elements that go into and out of a block. */
function boundaryElements(layers: BlockLayers): number {
  const first = layers[0]!; // a block has a layer
  const last = layers.at(-1)!;
  return first.inChannels * first.inSize ** 2 + last.outChannels * last.outSize ** 2;
}

/** What a network's latency is fitted on: the table's sum, its number of blocks, the elements at their boundaries, and one. */
function featuresOf(space: SearchSpace, net: Arch, table: Readonly<Record<string, number>>): number[] {
  const groups = blockGroups(lower(space, net));
  const sum = (figure: (layers: BlockLayers) => number): number =>
    groups.reduce((total, layers) => total + figure(layers), 0);
  return [sum((layers) => table[blockKey(layers)] ?? Number.NaN), groups.length, sum(boundaryElements), 1];
}

interface Fit {
  readonly table: Readonly<Record<string, number>>;
  readonly scale: number;
  readonly offsetMs: number;
}

/**
 * Fits whole networks. A block measured alone pays for a call of its own and for bringing its input and output into the layout
 * that convolutions work in, which a block within a network does not: the fit finds both costs, and the table is corrected by them.
 */
function fitTable(
  space: SearchSpace,
  raw: Readonly<Record<string, number>>,
  nets: readonly Arch[],
  ms: readonly number[],
): Fit {
  const coefficients = fitRelative(
    nets.map((net) => featuresOf(space, net, raw)),
    ms,
  );
  const [scale, perBlock, perElement, offsetMs] = coefficients as [number, number, number, number]; // one per feature
  if (!(scale > 0)) {
    throw new BespokeError(
      'no-latency-data',
      `the times measured for "${space.id}" do not add up: the machine is too busy to be profiled; try again when it is quiet`,
    );
  }
  const table: Record<string, number> = {};
  for (const resolution of space.resolutions) {
    for (const [key, layers] of distinctBlocks(space, [resolution])) {
      table[key] = raw[key]! + (perBlock + perElement * boundaryElements(layers)) / scale; // raw covers all resolutions
    }
  }
  return { table, scale, offsetMs };
}

/** Predicted ms of networks by a fitted table. */
function predictAll(space: SearchSpace, nets: readonly Arch[], { table, scale, offsetMs }: Fit): number[] {
  return nets.map((net) => scale * featuresOf(space, net, table)[0]! + offsetMs);
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
  /** Undisturbed ms by block key. */
  readonly blocks: ReadonlyMap<string, number>;
  /** Undisturbed ms of each network: what is fitted. */
  readonly nets: readonly number[];
  /** The ordinary p50 of each network: what a delivered network is measured by, and errors are stated against. */
  readonly netsP50: readonly number[];
}

/** Measures blocks and whole networks in the same passes. */
async function measure(
  space: SearchSpace,
  nets: readonly Arch[],
  at: readonly number[],
  options: ProfileOptions,
): Promise<Times> {
  const rng = makeRng(options.seed).fork('weights');
  const blocks = [...distinctBlocks(space, at)];
  const models = [
    ...blocks.map(
      ([, layers]) =>
        () =>
          randomModel(layers, rng),
    ),
    ...nets.map((net) => () => randomModel(lower(space, net), rng)),
  ];
  const { times, undisturbed } = await timePasses(models, {
    passes: PASSES,
    runs: RUNS_PER_PASS,
    maxMs: 1000 * (options.seconds ?? 20),
    rng: makeRng(options.seed).fork('order'),
    signal: options.signal,
    onProgress: options.onProgress,
  });
  return {
    blocks: new Map(blocks.map(([key], i) => [key, undisturbed[i]!])),
    nets: undisturbed.slice(blocks.length),
    netsP50: times.slice(blocks.length),
  };
}

/**
 * Measures this machine's latency model for a space: a table of every distinct block, measured alone with hot caches, then a fit on
 * whole networks with random weights, with the error on other networks that the fit has not seen.
 * Callers hold the measurement lock. Takes about ten seconds for a space of small networks.
 * @throws the signal's reason if aborted
 * Source: Cai et al. 2020, section 3.4 (latency lookup table)
 */
export async function profileLocalCpu(space: SearchSpace, options: ProfileOptions): Promise<MeasuredProfile> {
  const startedAt = performance.now();
  const at = measuredResolutions(space.resolutions);
  const nets = chooseNets(space, FIT_NETS + HOLDOUT_NETS, makeRng(options.seed).fork('networks'));
  const fitted = Math.round((nets.length * FIT_NETS) / (FIT_NETS + HOLDOUT_NETS));
  const times = await measure(space, nets, at, options);
  const raw = completeTable(space, times.blocks, at);
  const fit = fitTable(space, raw, nets.slice(0, fitted), times.nets.slice(0, fitted));
  const predicted = predictAll(space, nets.slice(fitted), fit);
  const figures = {
    schema: 1,
    hardware: localCpu(),
    spaceId: space.id,
    statistic: 'p50',
    method: 'blocks measured alone with hot caches, corrected for their boundaries by a fit on whole networks',
    resolutions: [...space.resolutions],
    ...fit,
    holdout: holdoutErrors(predicted, times.netsP50.slice(fitted)),
    residuals: relativeResiduals(predicted, times.netsP50.slice(fitted)),
    references: chooseReferences(nets.slice(0, fitted), times.netsP50.slice(0, fitted)),
  } as const;
  return {
    ...figures,
    revision: profileRevision(figures),
    measuredAt: new Date().toISOString(),
    seconds: (performance.now() - startedAt) / 1000,
  };
}
