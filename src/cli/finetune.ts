import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { findFashionMnist } from '../data/fashion-mnist.js';
import { openImages } from '../data/open-images.js';
import { canonicalArch, maxArch } from '../space/arch.js';
import type { Arch } from '../space/types.js';
import { type Delivery, deliver, deliverSubnet } from '../specialize/deliver.js';
import type { Bundle } from '../supernet/types.js';
import { chooseLowering } from '../train/choose-lowering.js';
import type { TeacherModel } from '../train/frozen-teacher.js';
import { formatDuration, progressPrinter } from '../train/progress-line.js';
import { parseRecipe, type Recipe, scaleRecipe } from '../train/recipe.js';
import type { TrainRunOptions } from '../train/run.js';
import { asSubnet, extractedTensors, type SingleNet } from '../train/single-net.js';
import { readBundleTrainingData } from '../train/single-net-data.js';
import { assertNetRecipe, type NetOutcome, trainNet } from '../train/single-net-run.js';
import { measureNetSpeed } from '../train/single-net-speed.js';
import type { TrainingData } from '../train/training-data.js';
import { needsArenas } from './allocator.js';
import { codeOf, EXIT } from './arguments.js';
import { type FinetuneReport, finetuneReport, measureGain } from './finetune-report.js';
import { formatCount, formatPercent } from './format.js';
import { writeOut } from './jobs.js';
import { fittingTeachers, readTeachers } from './teachers.js';
import type { Terminal } from './terminal.js';

/** How long a fine-tuning is, in one of three ways; by the clock unless told. */
export interface FinetuneLength {
  readonly images?: number;
  readonly epochs?: number;
  readonly minutes?: number;
}

/** What a fine-tuning is told, however it is asked for. */
export interface FinetuneOptions extends FinetuneLength {
  readonly recipe: string;
  /** ONNX files that teach; without one the bundle's largest network does. */
  readonly teacher?: readonly string[];
  /** Folder of checkpoints, log and weights. */
  readonly run: string;
  readonly seed: number;
  readonly workers: number;
  readonly lowering: string;
  readonly resume: boolean;
}

/** What `bespoke finetune` is told. */
export interface FinetuneCommandOptions extends FinetuneOptions {
  readonly data: string | undefined;
  readonly out: string;
  readonly report: string | undefined;
}

/** Minutes of training unless told; with measuring before and after it stays within half an hour. */
const DEFAULT_MINUTES = 25;
/** Share of the time that is left for training steps beside updates, validations and checkpoints. */
const STEPS_SHARE = 0.93;
/** Output that is no terminal has one progress line in so much time, ms. */
const QUIET_MS = 30_000;

async function readRecipe(path: string, bundle: Bundle): Promise<Recipe> {
  try {
    return parseRecipe(await readFile(path, 'utf8'), path, bundle.supernet.space);
  } catch (cause) {
    if (cause instanceof BespokeError) throw cause;
    throw new BespokeError('invalid-request', `the recipe "${path}" cannot be read (${codeOf(cause)})`, {}, cause);
  }
}

/** The supernet's largest network, as it is delivered. */
async function largestOf(bundle: Bundle): Promise<TeacherModel> {
  const { space } = bundle.supernet;
  const largest = canonicalArch(space, maxArch(space));
  const { extracted } = await deliver(bundle, largest);
  return { model: extracted.model, resolution: largest.resolution };
}

/** The recipe at the length asked for. A run that is gone on with keeps its own: how fast the machine is now must not change it. */
async function recipeOf(
  bundle: Bundle,
  options: FinetuneOptions,
  run: TrainRunOptions & { readonly net: SingleNet },
): Promise<Recipe> {
  const { recipe } = run;
  const { images, epochs, minutes } = options;
  if (images !== undefined) return scaleRecipe(recipe, images);
  if (epochs !== undefined) return scaleRecipe(recipe, Math.max(1, Math.round(epochs * run.data.train.length)));
  const stored = join(run.dir, 'recipe.json');
  if (options.resume && existsSync(stored)) return readRecipe(stored, bundle);
  const imagesPerSecond = await measureNetSpeed(run);
  const seconds = (minutes ?? DEFAULT_MINUTES) * 60 * STEPS_SHARE;
  return scaleRecipe(recipe, Math.max(1, Math.round(imagesPerSecond * seconds)));
}

/** A finished fine-tuning, or where it was stopped. */
export interface Finetuned {
  readonly outcome: NetOutcome;
  readonly finished?: { readonly delivery: Delivery; readonly report: FinetuneReport };
}

/**
 * Fine-tunes one architecture of a bundle, starting from its extracted weights and distilling from the bundle's largest network or the
 * teachers named; then calibrates and measures it as every delivered network is.
 * @param data the images that the supernet was trained on, split as then
 */
export async function finetune(
  bundle: Bundle,
  arch: Arch,
  data: TrainingData,
  options: FinetuneOptions & Pick<TrainRunOptions, 'signal' | 'onEvent'>,
): Promise<Finetuned> {
  const { space } = bundle.supernet;
  const { seed, workers, signal, onEvent = () => undefined } = options;
  const whole = await readRecipe(options.recipe, bundle);
  assertNetRecipe(whole, true);
  const given = await readTeachers(options.teacher ?? [], space, whole);
  const run = {
    ...{
      space,
      net: { arch, tensors: extractedTensors(bundle.supernet, arch) },
      teachers: fittingTeachers(given, bundle.input) ?? [await largestOf(bundle)],
      data,
      dir: options.run,
      seed,
      workers,
      signal,
      onEvent,
    },
    lowering: await chooseLowering(options.lowering),
    memoryArena: needsArenas(),
    resume: options.resume,
  };
  const recipe = await recipeOf(bundle, options, { ...run, recipe: whole });
  const outcome = await trainNet({ ...run, recipe });
  if (outcome.tensors === undefined) return { outcome };
  const before = await deliver(bundle, arch);
  const delivery = await deliverSubnet(bundle, asSubnet(space, arch, outcome.tensors));
  const images = recipe.phases.reduce((sum, phase) => sum + phase.images, 0);
  const report = finetuneReport(bundle, delivery, await measureGain(bundle, before, delivery), {
    ...{ recipe, images, epochs: images / data.train.length, seed, workers },
    steps: outcome.steps,
    cpuSeconds: outcome.cpuSeconds,
  });
  return { outcome, finished: { delivery, report } };
}

/** Runs work that SIGTERM and SIGINT abort. */
async function stoppably<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const abort = (name: NodeJS.Signals): void => stop.abort(name);
  const names = ['SIGTERM', 'SIGINT'] as const;
  for (const name of names) process.once(name, abort);
  try {
    return await work(stop.signal);
  } finally {
    for (const name of names) process.off(name, abort);
  }
}

const points = (share: number): string => `${share >= 0 ? '+' : ''}${(share * 100).toFixed(2)}`;

/**
 * `bespoke finetune`: SIGTERM and SIGINT stop it cleanly, with a checkpoint.
 * @returns 0 when the model was written, 1 when it was stopped before
 */
export async function finetuneCommand(
  terminal: Terminal,
  bundle: Bundle,
  arch: Arch,
  options: FinetuneCommandOptions,
): Promise<number> {
  const { finished } = await stoppably(async (signal) => {
    const source = await openImages(options.data ?? findFashionMnist([]), bundle.supernet.space.classes, signal);
    const data = await readBundleTrainingData(bundle, source, { signal });
    const print = progressPrinter((text) => process.stderr.write(text), process.stderr.isTTY === true, QUIET_MS);
    return finetune(bundle, arch, data, { ...options, signal, onEvent: print });
  });
  if (finished === undefined) return EXIT.failed;
  const { delivery, report } = finished;
  await writeOut(options.out, delivery.extracted.model);
  if (options.report !== undefined) await writeOut(options.report, `${JSON.stringify(report, undefined, 2)}\n`);
  terminal.printJson({ ...report, out: options.out });
  const { measuredTop1Before, measuredTop1, gain, top1Images, training } = report;
  terminal.print(
    `${options.out}: top-1 ${formatPercent(measuredTop1Before)} before, ${formatPercent(measuredTop1)} now, ` +
      `gain ${points(gain.value)} points (95 % ${points(gain.low)} to ${points(gain.high)}) on ${formatCount(top1Images)} verification images`,
  );
  terminal.print(
    `${formatCount(report.macs)} MACs, ${formatCount(report.artifact.bytes)} bytes; trained on ${formatCount(training.images)} images ` +
      `(${training.epochs.toFixed(1)} epochs) in ${formatDuration(training.cpuSeconds * 1000)} of processor time`,
  );
  return EXIT.done;
}
