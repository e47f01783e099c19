/**
 * How often measured figures lie where the conformal intervals and one-sided bounds say, over random splits: latencies of networks that
 * were measured whole on GPUs (the reference data folder given by BESPOKE_REFERENCE, by default ../shared/reference; a regression is
 * fitted on one part, calibrated on another, tested on the rest), and the accuracies that a bundle's predictor was held against.
 * Fails where a mean coverage is more than 1.5 points from nominal.
 *
 *   npm run bench:coverage -- [--splits N] [--models DIR] [--seed N] [--quick] [--json]
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { absoluteAscending, conformalLowerQuantile, conformalQuantile } from '../src/common/conformal.js';
import { makeRng, type Rng, shuffled } from '../src/common/rng.js';
import { fitRelative } from '../src/hardware/fit.js';
import { parseCard } from '../src/predictors/card.js';
import { lower } from '../src/space/lower.js';
import { PUBLISHED_SPACES } from '../src/space/published.js';
import { parseArch } from '../src/space/reference-spelling.js';
import type { Arch, SearchSpace } from '../src/space/types.js';
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
} from './harness.js';
import { REFERENCE } from './published-objective.js';
import { mean } from './statistics.js';

const SETTINGS = { full: { splits: 100 }, quick: { splits: 20 } } as const;
const CONFIDENCES = [0.8, 0.9, 0.95] as const;
/** Networks that a regression sees, and that calibrate it; the rest tests. */
const FIT_NETS = 500;
const CALIBRATION_NETS = 500;
/** A mean coverage further from nominal than this is a failure; share. */
const MOST_OFF = 0.015;
/** Groups by predicted latency, for the variant that calibrates each by itself and for the worst group's coverage. */
const GROUPS = 3;
/** Budgets drawn per split: for each, the network of most MACs whose bound keeps it is chosen, as a search would. */
const BUDGETS = 50;

interface Network {
  readonly features: readonly number[];
  readonly macs: number;
}

/** What a whole network's latency is fitted on: its layers, their work by kind, what they write and read; one number for the call. */
function featuresOf(space: SearchSpace, arch: Arch): Network {
  const layers = lower(space, arch);
  const sum = (of: (layer: (typeof layers)[number]) => number): number => layers.reduce((total, l) => total + of(l), 0);
  const macs = sum((layer) => layer.macs);
  const depthwise = sum((layer) => (layer.op === 'depthwise' ? layer.macs : 0));
  const elements = sum((layer) => layer.outChannels * layer.outSize ** 2);
  return { features: [1, layers.length, depthwise, macs - depthwise, elements, sum((layer) => layer.params)], macs };
}

interface GpuLatencies {
  readonly networks: readonly Network[];
  /** Milliseconds of each network by device and batch. */
  readonly latencyMs: Readonly<Record<string, readonly number[]>>;
}

function loadLatencies(): GpuLatencies | undefined {
  const path = join(REFERENCE, 'help', 'gpu-latency.json');
  if (!existsSync(path)) return undefined;
  const space = PUBLISHED_SPACES.find(({ id }) => id === 'ofa-mbv3-w1.2');
  if (space === undefined) return undefined;
  // The file's form is told in the reference data's README.
  const { archs, latencyMs } = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly archs: readonly unknown[];
    readonly latencyMs: GpuLatencies['latencyMs'];
  };
  note(`${archs.length} measured networks`);
  return {
    networks: archs.map((arch) => featuresOf(space, parseArch(space, arch, { anyResolution: true }))),
    latencyMs,
  };
}

interface Predicted {
  readonly predicted: number;
  readonly measured: number;
  readonly macs: number;
}

interface Split {
  readonly calibration: readonly Predicted[];
  readonly test: readonly Predicted[];
}

function splitOf({ networks }: GpuLatencies, ms: readonly number[], rng: Rng): Split {
  const order = shuffled(
    networks.map((_, index) => index),
    rng,
  );
  const fitted = order.slice(0, FIT_NETS);
  const coefficients = fitRelative(
    fitted.map((i) => networks[i]!.features),
    fitted.map((i) => ms[i]!),
  );
  const predict = (i: number): Predicted => ({
    predicted: networks[i]!.features.reduce((sum, feature, j) => sum + feature * coefficients[j]!, 0),
    measured: ms[i]!,
    macs: networks[i]!.macs,
  });
  const rest = order.slice(FIT_NETS).map(predict);
  return { calibration: rest.slice(0, CALIBRATION_NETS), test: rest.slice(CALIBRATION_NETS) };
}

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const relative = ({ predicted, measured }: Predicted): number => (measured - predicted) / predicted;
const inMs = ({ predicted, measured }: Predicted): number => measured - predicted;

/** The border of group `index` of `GROUPS`, among predictions. */
function groupOf(borders: readonly number[], { predicted }: Predicted): number {
  return borders.filter((border) => predicted >= border).length;
}

interface Coverage {
  readonly covered: number;
  /** Mean width as a share of what was measured. */
  readonly width: number;
  /** Of the group by predicted latency that is covered least. */
  readonly worstGroup: number;
}

/** Coverage of intervals whose half width is `half` ms for each tested network. */
function coverageOf(
  test: readonly Predicted[],
  borders: readonly number[],
  half: (each: Predicted) => number,
): Coverage {
  const isCovered = (each: Predicted): boolean => Math.abs(each.measured - each.predicted) <= half(each);
  const share = (list: readonly Predicted[]): number => list.filter(isCovered).length / list.length;
  const groups = Array.from({ length: GROUPS }, (_, g) => test.filter((each) => groupOf(borders, each) === g));
  return {
    covered: share(test),
    width: mean(test.map((each) => (2 * half(each)) / each.measured)),
    worstGroup: Math.min(...groups.filter(({ length }) => length > 0).map(share)),
  };
}

/** Three ways to calibrate the same predictions: shares of what was predicted, milliseconds, and shares by group. */
function variantsOf(
  { calibration, test }: Split,
  confidence: number,
): Readonly<Record<'relative' | 'ms' | 'grouped', Coverage>> {
  const predictions = ascending(calibration.map(({ predicted }) => predicted));
  const borders = Array.from(
    { length: GROUPS - 1 },
    (_, g) => predictions[Math.floor(((g + 1) * predictions.length) / GROUPS)]!,
  );
  const half = (scores: readonly number[]): number => conformalQuantile(absoluteAscending(scores), confidence)!; // hundreds of scores
  const share = half(calibration.map(relative));
  const ms = half(calibration.map(inMs));
  const byGroup = Array.from({ length: GROUPS }, (_, g) =>
    half(calibration.filter((each) => groupOf(borders, each) === g).map(relative)),
  );
  return {
    relative: coverageOf(test, borders, ({ predicted }) => share * predicted),
    ms: coverageOf(test, borders, () => ms),
    grouped: coverageOf(test, borders, (each) => byGroup[groupOf(borders, each)]! * each.predicted),
  };
}

/** Shares of tested networks below the one-sided bound, and of chosen networks that keep the budget that they were chosen for. */
function oneSided(
  { calibration, test }: Split,
  confidence: number,
  rng: Rng,
): { readonly covered: number; readonly kept: number } {
  const factor = 1 + conformalQuantile(ascending(calibration.map(relative)), confidence)!; // hundreds of scores
  const covered = test.filter(({ predicted, measured }) => measured <= factor * predicted).length / test.length;
  const measured = ascending(test.map((each) => each.measured));
  let kept = 0;
  let chosen = 0;
  for (let i = 0; i < BUDGETS; i++) {
    const budget = measured[Math.floor((0.1 + 0.8 * rng.next()) * measured.length)]!;
    const fitting = test.filter(({ predicted }) => factor * predicted <= budget);
    const [first, ...others] = fitting;
    if (first === undefined) continue; // noise: something was measured to be as fast, and nothing is sure to be
    const most = others.reduce((best, each) => (each.macs > best.macs ? each : best), first);
    chosen++;
    if (most.measured <= budget) kept++;
  }
  return { covered, kept: kept / chosen };
}

interface LatencyFigures {
  readonly device: string;
  readonly confidence: number;
  readonly twoSided: number;
  readonly width: number;
  readonly worstGroup: number;
  readonly widthInMs: number;
  readonly worstGroupInMs: number;
  readonly widthGrouped: number;
  readonly worstGroupGrouped: number;
  readonly upper: number;
  readonly budgetsKept: number;
}

function measureDevice(data: GpuLatencies, device: string, splits: number, seed: number): LatencyFigures[] {
  const ms = data.latencyMs[device]!;
  const rng = makeRng(seed).fork(device);
  const made = Array.from({ length: splits }, (_, i) => splitOf(data, ms, rng.fork(i)));
  return CONFIDENCES.map((confidence) => {
    const variants = made.map((split) => variantsOf(split, confidence));
    const bounds = made.map((split, i) => oneSided(split, confidence, rng.fork(`budgets ${i}`)));
    const of = (pick: (each: (typeof variants)[number]) => number): number => mean(variants.map(pick));
    return {
      ...{ device, confidence },
      twoSided: of(({ relative: { covered } }) => covered),
      width: of(({ relative: { width } }) => width),
      worstGroup: of(({ relative: { worstGroup } }) => worstGroup),
      widthInMs: of(({ ms: { width } }) => width),
      worstGroupInMs: of(({ ms: { worstGroup } }) => worstGroup),
      widthGrouped: of(({ grouped: { width } }) => width),
      worstGroupGrouped: of(({ grouped: { worstGroup } }) => worstGroup),
      upper: mean(bounds.map(({ covered }) => covered)),
      budgetsKept: mean(bounds.map(({ kept }) => kept)),
    };
  });
}

interface AccuracyFigures {
  readonly confidence: number;
  readonly twoSided: number;
  readonly lower: number;
  readonly widthPoints: number;
}

/** Splits of a predictor's held-out residuals: half calibrate, half test. */
function measureAccuracies(residuals: readonly number[], splits: number, seed: number): AccuracyFigures[] {
  const rng = makeRng(seed).fork('accuracies');
  const made = Array.from({ length: splits }, (_, i) => {
    const order = shuffled(residuals, rng.fork(i));
    const half = order.length >> 1;
    return { calibration: ascending(order.slice(0, half)), test: order.slice(half) };
  });
  return CONFIDENCES.map((confidence) => {
    const each = made.map(({ calibration, test }) => {
      const half = conformalQuantile(absoluteAscending(calibration), confidence)!; // hundreds of scores
      const low = conformalLowerQuantile(calibration, confidence)!;
      const share = (holds: (residual: number) => boolean): number => test.filter(holds).length / test.length;
      return { twoSided: share((r) => Math.abs(r) <= half), lower: share((r) => r >= low), width: 200 * half };
    });
    return {
      confidence,
      twoSided: mean(each.map(({ twoSided }) => twoSided)),
      lower: mean(each.map(({ lower: share }) => share)),
      widthPoints: mean(each.map(({ width }) => width)),
    };
  });
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function latencyLines(figures: readonly LatencyFigures[]): string[] {
  return CONFIDENCES.flatMap((confidence) => {
    const rows = figures.filter((each) => each.confidence === confidence);
    return [
      `latencies at ${percent(confidence)}: covered two-sided, by the upper bound; budgets kept by chosen networks; width and worst third of relative | ms | grouped scores`,
      ...rows.map((r) =>
        row(
          `  ${r.device}`,
          `${percent(r.twoSided)}, ${percent(r.upper)}; ${percent(r.budgetsKept)}; ${percent(r.width)} ${percent(r.worstGroup)} | ${percent(r.widthInMs)} ${percent(r.worstGroupInMs)} | ${percent(r.widthGrouped)} ${percent(r.worstGroupGrouped)}`,
        ),
      ),
      row(
        '  mean over devices',
        `${percent(mean(rows.map((r) => r.twoSided)))}, ${percent(mean(rows.map((r) => r.upper)))}; ${percent(mean(rows.map((r) => r.budgetsKept)))}; ${percent(mean(rows.map((r) => r.width)))} ${percent(mean(rows.map((r) => r.worstGroup)))} | ${percent(mean(rows.map((r) => r.widthInMs)))} ${percent(mean(rows.map((r) => r.worstGroupInMs)))} | ${percent(mean(rows.map((r) => r.widthGrouped)))} ${percent(mean(rows.map((r) => r.worstGroupGrouped)))}`,
      ),
    ];
  });
}

/** The mean coverage that lies furthest from nominal, in points. */
function furthestOff(latencies: readonly LatencyFigures[], accuracies: readonly AccuracyFigures[]): number {
  const off = [
    ...latencies.flatMap((f) => [f.twoSided - f.confidence, f.upper - f.confidence]),
    ...accuracies.flatMap((f) => [f.twoSided - f.confidence, f.lower - f.confidence]),
  ];
  return Math.max(...off.map(Math.abs));
}

async function run(options: BenchOptions): Promise<BenchResult> {
  const settings = options.isQuick ? SETTINGS.quick : SETTINGS.full;
  const splits = countOption(options, 'splits', settings.splits);
  const data = loadLatencies();
  const devices = data === undefined ? [] : Object.keys(data.latencyMs);
  const latencies =
    data === undefined ? [] : devices.flatMap((device) => measureDevice(data, device, splits, options.seed));
  const dir = findBundleDir(modelDirsOf(options.given.models));
  const card = parseCard(readFileSync(join(dir, 'predictor.json')), dir);
  const residuals = card.imported === undefined ? (card.residuals ?? []) : [];
  const accuracies = residuals.length === 0 ? [] : measureAccuracies(residuals, splits, options.seed);
  const worst = furthestOff(latencies, accuracies);
  return {
    settings: { splits, fitNets: FIT_NETS, calibrationNets: CALIBRATION_NETS, devices, heldOut: residuals.length },
    figures: { latencies, accuracies, furthestOffPoints: 100 * worst },
    lines: [
      ...(data === undefined ? ['latencies: the reference data folder is not there'] : latencyLines(latencies)),
      ...(accuracies.length === 0 ? ['accuracies: the predictor keeps no signed residuals'] : []),
      ...accuracies.map((f) =>
        row(
          `accuracies at ${percent(f.confidence)}`,
          `covered two-sided ${percent(f.twoSided)} (${f.widthPoints.toFixed(2)} points wide), by the lower bound ${percent(f.lower)}`,
        ),
      ),
      row('furthest mean coverage from nominal', `${(100 * worst).toFixed(2)} points (${100 * MOST_OFF} allowed)`),
    ],
    hasFailed: worst > MOST_OFF,
  };
}

await runBench({
  name: 'coverage',
  options: {
    splits: `random splits (${SETTINGS.full.splits}, quick ${SETTINGS.quick.splits})`,
    models: MODELS_OPTION,
  },
  run,
});
