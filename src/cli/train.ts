import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lowering } from '../autodiff/term.js';
import { BespokeError } from '../common/errors.js';
import { PACKAGE_ROOT } from '../config.js';
import { maxArch } from '../space/arch.js';
import { lower } from '../space/lower.js';
import { parseSpace } from '../space/parse-space.js';
import type { SearchSpace } from '../space/types.js';
import { chooseBackend } from '../train/choose-lowering.js';
import { knownRecord } from '../train/data-record.js';
import { progressPrinter } from '../train/progress-line.js';
import { parseRecipe, type Recipe, scaleRecipe } from '../train/recipe.js';
import { trainSupernet, WEIGHTS_FILE } from '../train/run.js';
import { assertNotTraining } from '../train/run-lock.js';
import { readStartWeights } from '../train/start-weights.js';
import { needsArenas } from './allocator.js';
import { codeOf, EXIT, readJson } from './arguments.js';
import { bundleRun, type FinishedRun, isBundleOf } from './bundles.js';
import { folderId } from './folder-id.js';
import { readFront } from './front-file.js';
import { keepRecord, openSource, readForTraining, spaceFor } from './own-data.js';
import { fittingTeachers, readTeachers } from './teachers.js';
import type { Terminal } from './terminal.js';

/** What `bespoke train` is told. */
export interface TrainOptions {
  readonly out: string;
  readonly recipe: string;
  /** File of the search space; made for the images unless told. */
  readonly space?: string;
  readonly data?: string;
  readonly heldOut?: number;
  readonly splitSeed?: number;
  readonly maxCorrupt?: number;
  /** Base URL of the four files, fetched into `data` and checked against their hashes. */
  readonly download?: string;
  /** Run, bundle or file whose weights are started from. */
  readonly from?: string;
  /** ONNX files that teach in the phases with a frozen teacher. */
  readonly teacher: readonly string[];
  /** JSON files whose architectures the phases with a `frontShare` draw from. */
  readonly front: readonly string[];
  readonly images?: number;
  /** Passes over the training images, instead of a number of images. */
  readonly epochs?: number;
  readonly workers: number;
  readonly seed: number;
  readonly lowering: string;
  readonly executionProvider: readonly string[];
  readonly minutes?: number;
  readonly resume?: boolean;
}

/** The space of Fashion-MNIST. */
const DEFAULT_SPACE = join(PACKAGE_ROOT, 'models', 'fashion-mnist', 'space.json');
/** Output that is no terminal has one progress line in so much time, ms. */
const QUIET_MS = 30_000;

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new BespokeError('invalid-request', `the recipe "${path}" cannot be read (${codeOf(cause)})`, {}, cause);
  }
}

/** The space to train: a file's, the bundled one for Fashion-MNIST, or one of the template's form that fits the images. */
async function spaceOf(terminal: Terminal, options: TrainOptions): Promise<SearchSpace> {
  if (options.space !== undefined) return parseSpace(await readJson(options.space), options.space);
  const stored = join(options.out, 'space.json');
  if (options.resume === true && existsSync(stored)) return parseSpace(await readJson(stored), stored);
  const source = await openSource(options);
  if (knownRecord(source) !== undefined) return parseSpace(await readJson(DEFAULT_SPACE), DEFAULT_SPACE);
  const space = await spaceFor(source, { name: folderId(options.out) });
  terminal.note(
    `no --space: "${space.id}" is made for ${source.classNames.length} classes at ${space.resolutions.join(', ')} pixels ` +
      `(to change it: bespoke space template --data ${source.dir} -o space.json)`,
  );
  return space;
}

/** The recipe at the length asked for. */
function scaled(recipe: Recipe, { images, epochs }: TrainOptions, trainImages: number): Recipe {
  if (images !== undefined) return scaleRecipe(recipe, images);
  return epochs === undefined ? recipe : scaleRecipe(recipe, Math.max(1, Math.round(epochs * trainImages)));
}

/** @throws BespokeError `invalid-request` if a step takes more images than there are */
function checkBatch({ recipe, workers }: TrainOptions, { phases }: Recipe, trainImages: number): void {
  const batch = Math.max(...phases.map((phase) => phase.batch));
  if (batch * workers <= trainImages) return;
  throw new BespokeError(
    'invalid-request',
    `${recipe}: a step takes ${batch} images for each of ${workers} workers, there are ${trainImages} to train on; ` +
      'lower "batch" in its phases, or --workers',
  );
}

/** Says which layers have no fast operators. */
function noteSlowLayers(terminal: Terminal, space: SearchSpace, lowering: Lowering): void {
  if (lowering.kind !== 'nchwc') return;
  const { block } = lowering;
  const convolutions = lower(space, maxArch(space)).filter(({ op }) => op === 'conv' || op === 'depthwise');
  const slow = convolutions.filter(({ outChannels }) => outChannels % block !== 0);
  const [first] = slow;
  if (first === undefined) return;
  terminal.note(
    `${slow.length} of ${convolutions.length} convolutions train with standard operators, more slowly: ` +
      `their channels are no multiples of ${block} (${first.name} has ${first.outChannels})`,
  );
}

/** Makes a finished run's folder a bundle, unless it is one already. */
async function finish(terminal: Terminal, options: TrainOptions, run: Omit<FinishedRun, 'runDir' | 'outDir'>) {
  const { out } = options;
  if (!(await isBundleOf(out, join(out, WEIGHTS_FILE))))
    await bundleRun(terminal, { ...run, runDir: out, outDir: out });
  const data = options.data === undefined ? '' : ` --data ${options.data}`;
  terminal.note(`${out} is a bundle; next: bespoke predictor train --supernet ${out}${data}`);
}

/** The weights to start from, if they were named; says what of them is new. */
function startOf(terminal: Terminal, { from, seed }: TrainOptions, space: SearchSpace) {
  if (from === undefined) return undefined;
  const { tensors, fresh } = readStartWeights(from, space, seed);
  if (fresh.length > 0) {
    terminal.note(`${from} has ${tensors.size - fresh.length} of ${tensors.size} tensors; fresh: ${fresh.join(', ')}`);
  }
  return tensors;
}

/**
 * `bespoke train`: trains a supernet, or goes on with a run that was stopped; SIGTERM and SIGINT stop it cleanly, with a checkpoint.
 * @returns 0 when the recipe was finished or the time was up, 1 when it was stopped
 */
export async function trainCommand(terminal: Terminal, options: TrainOptions): Promise<number> {
  await assertNotTraining(options.out);
  const space = await spaceOf(terminal, options);
  const recipe = parseRecipe(await readText(options.recipe), options.recipe, space);
  const named = await readTeachers(options.teacher, space, recipe);
  const front = await readFront(options.front, space, recipe);
  const backend = await chooseBackend(options.lowering, options.executionProvider);
  noteSlowLayers(terminal, space, backend.lowering);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(signal));
  const { signal } = stop;
  const source = await openSource(options, space.classes, { signal });
  const { data, record } = await readForTraining(terminal, source, space, { ...options, signal });
  checkBatch(options, recipe, data.train.length);
  await keepRecord(options.out, record);
  const outcome = await trainSupernet({
    space,
    start: startOf(terminal, options, space),
    teachers: fittingTeachers(named, data.input),
    front,
    recipe: scaled(recipe, options, data.train.length),
    data,
    dir: options.out,
    seed: options.seed,
    workers: options.workers,
    ...backend,
    memoryArena: needsArenas(),
    resume: options.resume ?? false,
    maxMs: options.minutes === undefined ? undefined : options.minutes * 60_000,
    signal,
    onEvent: progressPrinter((text) => process.stderr.write(text), process.stderr.isTTY === true, QUIET_MS),
  });
  if (outcome.end === 'finished') await finish(terminal, options, { space, source, record });
  return outcome.end === 'aborted' ? EXIT.failed : EXIT.done;
}
