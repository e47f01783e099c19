import { readFile } from 'node:fs/promises';
import { BespokeError } from '../common/errors.js';
import { downloadFashionMnist, findFashionMnist } from '../data/fashion-mnist.js';
import { parseSpace } from '../space/parse-space.js';
import { chooseLowering } from '../train/choose-lowering.js';
import { progressPrinter } from '../train/progress-line.js';
import { parseRecipe, scaleRecipe } from '../train/recipe.js';
import { trainSupernet } from '../train/run.js';
import { fashionMnistTrainingData } from '../train/training-data.js';
import { codeOf, EXIT, readJson } from './arguments.js';

/** What `bespoke train` is told. */
export interface TrainOptions {
  readonly out: string;
  readonly recipe: string;
  readonly space: string;
  readonly data?: string;
  /** Base URL of the four files, fetched into `data` and checked against their hashes. */
  readonly download?: string;
  readonly images?: number;
  readonly workers: number;
  readonly seed: number;
  readonly lowering: string;
  readonly minutes?: number;
  readonly resume?: boolean;
}

/** Output that is no terminal has one progress line in so much time, ms. */
const QUIET_MS = 30_000;

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new BespokeError('invalid-request', `the recipe "${path}" cannot be read (${codeOf(cause)})`, {}, cause);
  }
}

/** Where a download goes without `--data`. */
const DOWNLOAD_DIR = 'data/fashion-mnist';

async function dataDirOf({ data, download }: TrainOptions): Promise<string> {
  if (download !== undefined) return downloadFashionMnist(download, data ?? DOWNLOAD_DIR);
  return findFashionMnist(data === undefined ? [] : [data]);
}

/**
 * `bespoke train`: trains a supernet, or goes on with a run that was stopped; SIGTERM and SIGINT stop it cleanly, with a checkpoint.
 * @returns 0 when the recipe was finished or the time was up, 1 when it was stopped
 */
export async function trainCommand(options: TrainOptions): Promise<number> {
  const space = parseSpace(await readJson(options.space), options.space);
  const recipe = parseRecipe(await readText(options.recipe), options.recipe, space);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(signal));
  const outcome = await trainSupernet({
    space,
    recipe: options.images === undefined ? recipe : scaleRecipe(recipe, options.images),
    data: fashionMnistTrainingData(await dataDirOf(options)),
    dir: options.out,
    seed: options.seed,
    workers: options.workers,
    lowering: await chooseLowering(options.lowering),
    resume: options.resume ?? false,
    maxMs: options.minutes === undefined ? undefined : options.minutes * 60_000,
    signal: stop.signal,
    onEvent: progressPrinter((text) => process.stderr.write(text), process.stderr.isTTY === true, QUIET_MS),
  });
  return outcome.end === 'aborted' ? EXIT.failed : EXIT.done;
}
