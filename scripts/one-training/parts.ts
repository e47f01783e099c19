import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { needsArenas } from '../../src/cli/allocator.js';
import { finetune } from '../../src/cli/finetune.js';
import { BespokeError } from '../../src/common/errors.js';
import { sha256 } from '../../src/common/hash.js';
import { measureTop1 } from '../../src/evaluate/top1.js';
import { runtimeVersion } from '../../src/runtime/session.js';
import type { SearchSpace } from '../../src/space/types.js';
import type { Delivery } from '../../src/specialize/deliver.js';
import type { Bundle } from '../../src/supernet/types.js';
import { chooseLowering } from '../../src/train/choose-lowering.js';
import { parseRecipe, type Recipe, scaleRecipe } from '../../src/train/recipe.js';
import type { TrainRunOptions } from '../../src/train/run.js';
import { LOG_FILE } from '../../src/train/run-log.js';
import type { NetOutcome } from '../../src/train/single-net-run.js';
import type { TrainEvent } from '../../src/train/train-events.js';
import type { TrainingData } from '../../src/train/training-data.js';
import { VERSION } from '../../src/version.js';
import { trainAlone } from './alone.js';
import { netOf, type Part, type Plan } from './plan.js';
import type { AloneTerms } from './recorded.js';
import { addResult, type PartResult, readResults } from './results.js';

/** Where parts run, and how. */
export interface PartsOptions extends Pick<TrainRunOptions, 'workers' | 'signal' | 'onEvent'> {
  readonly dir: string;
  readonly bundle: Bundle;
  readonly data: TrainingData;
  readonly aloneRecipe: string;
  readonly finetuneRecipe: string;
  readonly lowering: string;
  /** Only these; all that have no result yet unless told. */
  readonly only?: readonly string[];
  readonly onPart: (part: Part, left: number) => void;
}

const partDir = (dir: string, part: Part): string => join(dir, 'parts', part.id);

function curveOf(dir: string): PartResult['curve'] {
  const events = readFileSync(join(dir, LOG_FILE), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TrainEvent); // the trainer's own log
  return events.flatMap((event) =>
    event.kind === 'validation' ? [[event.images, event.batchStatisticsTop1.single ?? Number.NaN] as const] : [],
  );
}

/** How a plan's networks of a space are trained alone: by a recipe, at the plan's length. */
function aloneRecipeOf({ aloneImages }: Plan, path: string, space: SearchSpace): Recipe {
  const recipe = parseRecipe(readFileSync(path, 'utf8'), path, space);
  return aloneImages === undefined ? recipe : scaleRecipe(recipe, aloneImages);
}

function termsOf({ name, phases }: Recipe): AloneTerms {
  return { recipe: name, images: phases.reduce((sum, phase) => sum + phase.images, 0) };
}

/** What recorded trainings have to agree with, to stand for the plan's. @param path of the recipe that the plan runs with */
export function aloneTermsOf(plan: Plan, path: string, space: SearchSpace): AloneTerms {
  return termsOf(aloneRecipeOf(plan, path, space));
}

interface Finished {
  readonly outcome: NetOutcome;
  readonly delivery: Delivery;
  readonly images: number;
  readonly recipe: string;
  readonly before?: number;
}

async function runAlone(options: PartsOptions, plan: Plan, part: Part): Promise<Finished | undefined> {
  const { bundle, data, dir, workers, signal, onEvent = () => undefined } = options;
  const net = netOf(plan, part.net);
  const recipe = aloneRecipeOf(plan, options.aloneRecipe, net.space);
  const lowering = await chooseLowering(options.lowering);
  const memory = { memoryArena: needsArenas() };
  const run = { recipe, data, dir: partDir(dir, part), seed: part.seed, workers, lowering, ...memory, signal, onEvent };
  const { outcome, delivery } = await trainAlone(bundle, net, { ...run, resume: true });
  return delivery === undefined ? undefined : { outcome, delivery, ...termsOf(recipe) };
}

async function runFinetune(options: PartsOptions, plan: Plan, part: Part): Promise<Finished | undefined> {
  const { bundle, data, dir, workers, lowering, signal, onEvent = () => undefined } = options;
  const { finetuneImages: images, finetuneMinutes: minutes } = plan;
  const length = {
    ...(images === undefined ? {} : { images }),
    ...(images !== undefined || minutes === undefined ? {} : { minutes }),
  };
  const { outcome, finished } = await finetune(bundle, netOf(plan, part.net).arch, data, {
    ...{ ...length, recipe: options.finetuneRecipe, run: partDir(dir, part), seed: part.seed, workers, lowering },
    ...{ resume: true, signal, onEvent },
  });
  if (finished === undefined) return undefined;
  const { training, measuredTop1Before } = finished.report;
  const { delivery } = finished;
  return { outcome, delivery, images: training.images, recipe: training.recipe.name, before: measuredTop1Before };
}

async function resultOf(options: PartsOptions, part: Part, finished: Finished): Promise<PartResult> {
  const { dir, bundle, data } = options;
  const { outcome, delivery, images, before } = finished;
  const { model } = delivery.extracted;
  const modelPath = join('parts', part.id, 'model.onnx');
  writeFileSync(join(dir, modelPath), model);
  const { top1 } = await measureTop1(model, bundle.verification, { threads: 1 });
  return {
    ...{ part: part.id, kind: part.kind, net: part.net, seed: part.seed },
    ...{ macs: delivery.costs.macs, params: delivery.costs.params },
    ...{ images, epochs: images / data.train.length, steps: outcome.steps, cpuSeconds: outcome.cpuSeconds },
    recipe: finished.recipe,
    verificationTop1: top1,
    ...(before === undefined ? {} : { verificationTop1Before: before }),
    curve: curveOf(partDir(dir, part)),
    model: modelPath,
    modelSha256: sha256(model),
    device: `${cpus()[0]?.model.trim()}, ${cpus().length} cores`,
    versions: { bespoke: VERSION, onnxruntime: runtimeVersion(), node: process.versions.node },
    finishedAt: new Date().toISOString(),
  };
}

function chosenParts({ parts }: Plan, { dir, only }: PartsOptions): readonly Part[] {
  const unknown = (only ?? []).filter((id) => !parts.some((part) => part.id === id));
  if (unknown.length > 0) {
    const known = parts.map(({ id }) => id).join(', ');
    throw new BespokeError('invalid-request', `the plan has no part ${unknown.join(', ')}; it has ${known}`);
  }
  const done = new Set(readResults(dir).map(({ part }) => part));
  return parts.filter(({ id }) => !done.has(id) && (only === undefined || only.includes(id)));
}

/**
 * Runs the parts of a plan that have no result yet, one after the other; each adds one line to the results when it is finished. After an abort the
 * part under way goes on where it stopped at the next call.
 * @returns parts that are left
 */
export async function runParts(plan: Plan, options: PartsOptions): Promise<number> {
  const waiting = chosenParts(plan, options);
  for (const [index, part] of waiting.entries()) {
    if (options.signal?.aborted === true) return waiting.length - index;
    options.onPart(part, waiting.length - index);
    mkdirSync(partDir(options.dir, part), { recursive: true });
    const run = part.kind === 'alone' ? runAlone : runFinetune;
    const finished = await run(options, plan, part);
    if (finished === undefined) return waiting.length - index;
    addResult(options.dir, await resultOf(options, part, finished));
  }
  return 0;
}
