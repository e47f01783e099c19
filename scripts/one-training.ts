/**
 * One training against many: networks cut from a supernet beside the same networks trained alone, fine-tuned ones, a hand-designed network at equal
 * MACs and a supernet trained naively.
 *
 *   npx tsx scripts/one-training.ts plan  --supernet fashion-mnist --out runs/one-training
 *   npx tsx scripts/one-training.ts run   --supernet fashion-mnist --out runs/one-training      (hours; SIGTERM stops it, the same command goes on)
 *   npx tsx scripts/one-training.ts table --supernet fashion-mnist --out runs/one-training      (the only place that reads test images)
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { withAllocator } from '../src/cli/allocator.js';
import { integerList, positiveInteger, positiveNumber, wholeNumber } from '../src/cli/arguments.js';
import { resolveBundle } from '../src/cli/offline.js';
import { BespokeError } from '../src/common/errors.js';
import { readConfig } from '../src/config.js';
import { findFashionMnist } from '../src/data/fashion-mnist.js';
import type { ImageSource } from '../src/data/image-source.js';
import { openImages } from '../src/data/open-images.js';
import type { Bundle } from '../src/supernet/types.js';
import { recordOfBundle } from '../src/train/data-record.js';
import { progressPrinter } from '../src/train/progress-line.js';
import { readBundleTrainingData } from '../src/train/single-net-data.js';
import { recordedTarget } from '../src/train/training-data.js';
import { measureAll, trainingsToRecord } from './one-training/measure.js';
import { aloneTermsOf, runParts } from './one-training/parts.js';
import { makePlan, type PlanOptions, readPlan, writePlan } from './one-training/plan.js';
import { formatRecorded, mergeRecorded, onTerms, readOrBegin, readRecorded } from './one-training/recorded.js';
import { figuresOf, lineOf, tableOf } from './one-training/table.js';

/** Progress of one part in a log: a line every so many ms. */
const QUIET_MS = 60_000;
const ALONE_RECIPE = 'scripts/recipes/alone.json';

interface Common {
  readonly supernet: string;
  readonly out: string;
  readonly data?: string;
}

const bundleOf = (idOrDir: string): Promise<Bundle> => resolveBundle(idOrDir, readConfig(process.env).modelDirs);
const imagesOf = (data: string | undefined, { supernet }: Bundle): Promise<ImageSource> =>
  openImages(data ?? findFashionMnist([]), supernet.space.classes);

async function plan({ supernet, out, ...options }: Common & PlanOptions): Promise<void> {
  mkdirSync(out, { recursive: true });
  const made = makePlan(await bundleOf(supernet), options);
  writePlan(out, made);
  for (const { id, name, macs } of made.nets)
    console.log(`${id.padEnd(10)} ${String(macs).padStart(12)} MACs  ${name}`);
  console.log(`${made.parts.length} parts: ${made.parts.map(({ id }) => id).join(' ')}`);
}

interface RunOptions extends Common {
  readonly recipe: string;
  readonly finetuneRecipe: string;
  readonly part?: readonly string[];
  readonly minutes?: number;
  readonly workers: number;
  readonly lowering: string;
}

async function run({ supernet, out, data, part, minutes, recipe, ...rest }: RunOptions): Promise<void> {
  const bundle = await bundleOf(supernet);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(signal));
  const timer = minutes === undefined ? undefined : setTimeout(() => stop.abort('time is up'), minutes * 60_000);
  const left = await runParts(readPlan(out, bundle), {
    ...{ dir: out, bundle, data: await readBundleTrainingData(bundle, await imagesOf(data, bundle)), ...rest },
    ...{ aloneRecipe: recipe, signal: stop.signal, ...(part === undefined ? {} : { only: part }) },
    onPart: ({ id }, waiting) => console.error(`part ${id}, ${waiting} left`),
    onEvent: progressPrinter((text) => process.stderr.write(text), false, QUIET_MS),
  });
  clearTimeout(timer);
  console.log(left === 0 ? 'every part is finished' : `${left} parts are left; the same command goes on`);
}

interface TableOptions extends Common {
  readonly naive?: string;
  readonly training?: string;
  readonly recorded?: string;
  readonly record?: string;
  readonly recipe: string;
  readonly evaluations: number;
  readonly figures?: string;
  readonly into?: string;
}

/** Puts text between the page's two markers. */
function intoPage(path: string, text: string): void {
  const page = readFileSync(path, 'utf8');
  const between = /(<!-- one-training:[^>]*-->\n)[\s\S]*?(<!-- \/one-training -->)/;
  if (!between.test(page)) {
    const markers = '<!-- one-training: … --> and <!-- /one-training -->';
    throw new BespokeError('invalid-request', `${path} has no place for the table: wanted are the markers ${markers}`);
  }
  writeFileSync(
    path,
    page.replace(between, (_, start: string, end: string) => `${start}${text}${end}`),
  );
}

async function table({ supernet, out, recipe, recorded, record, ...options }: TableOptions): Promise<void> {
  const { naive, training, evaluations, figures, into } = options;
  const bundle = await bundleOf(supernet);
  const source = await imagesOf(options.data, bundle);
  if (source.test === undefined) throw new BespokeError('invalid-request', `${source.dir} has no test images`);
  const plan = readPlan(out, bundle);
  const data = recordOfBundle(bundle, source);
  const terms = () => aloneTermsOf(plan, recipe, bundle.supernet.space);
  // Read before anything is measured, so that a bad file costs no time.
  const from = recorded === undefined ? undefined : onTerms(readRecorded(recorded, data.fingerprint), terms());
  const to = record === undefined ? undefined : readOrBegin(record, data.fingerprint);
  const everyImage = Array.from({ length: source.test.labels.length }, (_, index) => index);
  const { images: test } = await source.test.read(everyImage, recordedTarget(data));
  const measured = await measureAll({
    ...{ dir: out, plan, bundle, trainingDir: training, test, evaluations },
    naive: naive === undefined ? undefined : await bundleOf(naive),
    recorded: from,
    onNet: (net) => console.error(lineOf(net)),
  });
  if (record !== undefined && to !== undefined) {
    writeFileSync(record, formatRecorded(mergeRecorded(to, trainingsToRecord(out, plan, measured))));
  }
  const text = tableOf(measured);
  const figureDir = figures ?? out;
  mkdirSync(figureDir, { recursive: true });
  for (const [name, svg] of await figuresOf(measured)) writeFileSync(join(figureDir, name), `${svg}\n`);
  writeFileSync(join(out, 'table.md'), text);
  if (into !== undefined) intoPage(into, text);
  console.log(text);
}

const program = new Command('one-training').description('networks of one supernet beside networks trained one by one');
const subcommand = (name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .requiredOption('--supernet <id>', 'id or folder of a bundle')
    .requiredOption('--out <dir>', 'folder of plan, parts and results')
    .option('--data <dir>', 'folder of the images that the supernet was trained on (default: Fashion-MNIST)');
subcommand('plan', 'draw the networks and list the trainings')
  .option('--count <n>', 'networks drawn by MACs', positiveInteger, 8)
  .option('--seeds <list>', 'seeds of the trainings alone', integerList, [1, 2])
  .option('--seed <n>', 'seed of the draw', wholeNumber, 1)
  .option('--hand-macs <list>', 'MACs of hand-designed networks (default: those of the card)', integerList)
  .option('--alone-images <n>', 'images of a training alone (default: its recipe)', positiveInteger)
  .option('--finetune-images <n>', 'images of a fine-tuning', positiveInteger)
  .option('--finetune-minutes <m>', 'minutes of a fine-tuning (default: 25)', positiveNumber)
  .action(plan);
subcommand('run', 'run the parts that have no result yet')
  .option('--recipe <file>', 'how networks are trained alone', ALONE_RECIPE)
  .option('--finetune-recipe <file>', 'how networks are fine-tuned', 'scripts/recipes/finetune.json')
  .option('--part <ids...>', 'only these parts')
  .option('--minutes <m>', 'stop, resumably, after so much time', positiveNumber)
  .option('--workers <n>', 'training threads', positiveInteger, 2)
  .option('--lowering <kind>', 'auto, standard, nchwc8 or nchwc16', 'auto')
  .action((options: RunOptions) => withAllocator(() => run(options)));
subcommand('table', 'score everything on the test images, once, and write table and figures')
  .option('--naive <id>', 'bundle of a supernet trained by scripts/recipes/naive.json')
  .option('--training <dir>', "folder of the supernet's training run, for its cost")
  .option(
    '--recorded <file>',
    'trainings alone to use where this folder has none, such as docs/figures/trained-alone.json',
  )
  .option('--record <file>', "the same kind of file, to put this folder's trainings alone into")
  .option('--recipe <file>', 'how networks are trained alone: recorded ones have to agree', ALONE_RECIPE)
  .option('--evaluations <n>', 'evaluations of the search whose cost is measured', positiveInteger, 50_000)
  .option('--figures <dir>', 'where the SVG files go (default: --out)')
  .option('--into <file>', 'page whose part between the one-training markers becomes the table')
  .action(table);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof BespokeError)) throw error;
  console.error(error.message);
  process.exitCode = 3;
}
