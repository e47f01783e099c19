import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { BespokeError } from '../src/common/errors.js';
import { downloadFashionMnist, findFashionMnist } from '../src/data/fashion-mnist.js';
import { parseSpace } from '../src/space/parse-space.js';
import { chooseLowering } from '../src/train/choose-lowering.js';
import { progressPrinter } from '../src/train/progress-line.js';
import { parseRecipe, scaleRecipe } from '../src/train/recipe.js';
import { trainSupernet } from '../src/train/run.js';
import { fashionMnistTrainingData } from '../src/train/training-data.js';

const USAGE = `npx tsx scripts/train-supernet.ts --out DIR [options]

Trains a supernet; stops cleanly at SIGTERM and SIGINT, and --resume goes on bit-identically.

  --out DIR        folder of checkpoints, log.jsonl and supernet.safetensors
  --recipe FILE    how to train (scripts/recipes/sandwich.json)
  --space FILE     what to train (models/fashion-mnist/space.json)
  --data DIR       folder of Fashion-MNIST (default: $BESPOKE_DATA, then Debian's package)
  --download URL   fetch the data set's four files from URL/<file>.gz into --data (or .data/fashion-mnist) first
  --images N       scale the recipe's phases to N images in all
  --workers N      threads, each with its own part of every batch (2)
  --seed N         (1)
  --lowering KIND  auto, standard, nchwc8 or nchwc16: which operators the step graphs are made of (auto: a probe)
  --minutes M      stop, resumably, after so much time
  --resume         go on from the newest whole checkpoint in --out, or start if there is none
`;

/** Where a download goes unless told; git ignores it. */
const DOWNLOAD_DIR = '.data/fashion-mnist';

/** Non-terminal output has one progress line in so much time, ms. */
const QUIET_MS = 30_000;

function wholeNumber(text: string, flag: string, low: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= low) return value;
  throw new BespokeError('invalid-request', `--${flag} must be a whole number of ${low} or more, got "${text}"`);
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BespokeError('not-found', `the ${what} cannot be read: ${reason}`, {}, cause);
  }
}

function readJson(path: string, what: string): unknown {
  try {
    return JSON.parse(readText(path, what));
  } catch (cause) {
    if (cause instanceof BespokeError) throw cause;
    throw new BespokeError('invalid-request', `the ${what} ${path} is not JSON: ${String(cause)}`, {}, cause);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      recipe: { type: 'string', default: 'scripts/recipes/sandwich.json' },
      space: { type: 'string', default: 'models/fashion-mnist/space.json' },
      data: { type: 'string' },
      download: { type: 'string' },
      images: { type: 'string' },
      workers: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      lowering: { type: 'string', default: 'auto' },
      minutes: { type: 'string' },
      resume: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || values.out === undefined) {
    process.stderr.write(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const space = parseSpace(readJson(values.space, 'space'), values.space);
  const recipe = parseRecipe(readText(values.recipe, 'recipe'), values.recipe, space);
  const given = values.data ?? process.env.BESPOKE_DATA;
  const dataDir =
    values.download === undefined
      ? findFashionMnist(given === undefined ? [] : [given])
      : await downloadFashionMnist(values.download, given ?? DOWNLOAD_DIR);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(signal));
  const outcome = await trainSupernet({
    space,
    recipe: values.images === undefined ? recipe : scaleRecipe(recipe, wholeNumber(values.images, 'images', 1)),
    data: fashionMnistTrainingData(dataDir),
    dir: values.out,
    seed: wholeNumber(values.seed, 'seed', 0),
    workers: wholeNumber(values.workers, 'workers', 1),
    lowering: await chooseLowering(values.lowering),
    resume: values.resume,
    maxMs: values.minutes === undefined ? undefined : Number(values.minutes) * 60_000,
    signal: stop.signal,
    onEvent: progressPrinter((text) => process.stderr.write(text), process.stderr.isTTY === true, QUIET_MS),
  });
  if (outcome.end !== 'finished') process.exitCode = outcome.end === 'aborted' ? 143 : 0;
}

main().catch((error: unknown) => {
  const expected = error instanceof BespokeError && error.code !== 'internal';
  process.stderr.write(`${expected || !(error instanceof Error) ? String(error) : error.stack}\n`);
  process.exitCode = 1;
});
