/**
 * Writes a bundle's model card (README.md) and its test figures: `npx tsx scripts/model-card.ts --bundle models/fashion-mnist --training RUN_DIR`.
 * Architectures are chosen by way of the selection images alone: a search by the predictor, whose labels were measured on them, returns one under
 * each limit, as `bespoke search` does; the 10,000 test images score what was chosen, once.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { meanOf } from '../src/common/mean.js';
import { findFashionMnist, loadFashionMnist } from '../src/data/fashion-mnist.js';
import { SPLIT_SEED, splitTrainValidation } from '../src/data/splits.js';
import { measureTop1 } from '../src/evaluate/top1.js';
import { loadPredictor } from '../src/predictors/predictor.js';
import { tauCeiling } from '../src/predictors/quality.js';
import { runtimeVersion } from '../src/runtime/session.js';
import type { SearchResult } from '../src/search/result.js';
import { search } from '../src/search/search.js';
import type { Objective } from '../src/search/types.js';
import { archId, canonicalArch, maxArch, minArch } from '../src/space/arch.js';
import { makeCostTable } from '../src/space/cost-table.js';
import { archCosts } from '../src/space/costs.js';
import { countSubnets } from '../src/space/count.js';
import type { Arch } from '../src/space/types.js';
import { deliver } from '../src/specialize/deliver.js';
import { describeArchs } from '../src/specialize/describe.js';
import { addBundleFiles, loadBundle } from '../src/supernet/bundle.js';
import { makeLabeler } from '../src/train/predictor/label.js';
import type { TrainEvent } from '../src/train/train-events.js';

/** The limits that accuracy is reported under, MACs. */
const LIMITS = [1_000_000, 3_000_000, 10_000_000] as const;
/** Architectures at the end of a search whose predictions are compared with measurements. */
const NEAR_OPTIMUM = 50;
const EVALUATIONS = 50_000;

const program = new Command('model-card')
  .option('--bundle <dir>', 'bundle to describe', 'models/fashion-mnist')
  .option('--data <dir>', 'folder of the Fashion-MNIST files')
  .option('--training <dirs...>', 'folders of the training runs, in order: their recipes and logs are quoted', [])
  .option('--command <commands...>', 'the commands that trained it', [])
  .option(
    '--after <card>',
    'card of the weights that training began with: its commands and runs are quoted before those told here; where none are told, those of the card that is there stay',
  )
  .parse();
const options = program.opts<{
  bundle: string;
  data?: string;
  training: string[];
  command: string[];
  after?: string;
}>();

const bundle = await loadBundle(options.bundle);
const { space, sha256: weightsSha256 } = bundle.supernet;
const predictor = await loadPredictor(options.bundle, { space, weightsSha256 });
const data = loadFashionMnist(findFashionMnist(options.data === undefined ? [] : [options.data]));
const { selection } = splitTrainValidation(data.train.labels ?? new Uint8Array(), SPLIT_SEED);
const labeler = makeLabeler({
  bundle,
  images: data.train,
  indices: selection,
  calibrationImages: 2000,
  calibrationBatch: 250,
});
const costs = makeCostTable(space);

interface Row {
  readonly name: string;
  readonly arch: Arch;
  readonly macs: number;
  readonly params: number;
  readonly selectionTop1: number;
  readonly testTop1: number;
}

async function measured(name: string, arch: Arch): Promise<Row> {
  const { macs, params } = archCosts(space, arch);
  const { top1: selectionTop1 } = await labeler.label(arch);
  const { extracted } = await deliver(bundle, arch);
  const { top1: testTop1 } = await measureTop1(extracted.model, data.test, { threads: 2 });
  console.error(`${name}: ${macs} MACs, selection ${selectionTop1.toFixed(4)}, test ${testTop1.toFixed(4)}`);
  return { name, arch, macs, params, selectionTop1, testTop1 };
}

interface Scored {
  readonly arch: Arch;
  /** Predicted top-1, fraction. */
  readonly predicted: number;
}

/** A search by the predictor under a limit, scored by `objective`. */
function searchUnder(maxMacs: number, objective: Objective): Promise<SearchResult> {
  return search({
    space,
    objective,
    constraints: [{ id: 'maxMacs', max: maxMacs, cost: (archs) => costs.macs(archs) }],
    describe: (archs) => describeArchs({ costs, latency: undefined }, archs),
    frontAxis: 'macs',
    evaluations: EVALUATIONS,
    resolutions: predictor.resolutions,
    seed: 1,
  });
}

/** What `bespoke search` returns under a limit. */
const chosen = async (maxMacs: number): Promise<Arch> =>
  (await searchUnder(maxMacs, predictor.asObjective())).best.arch;

/** The architectures that a search under a limit scored highest, best first. Told by scores alone, without slopes, so that each one is seen. */
async function highestUnder(maxMacs: number): Promise<readonly Scored[]> {
  const objective = predictor.asObjective();
  const seen = new Map<string, Scored>();
  await searchUnder(maxMacs, {
    score: async (archs) => {
      const scores = await objective.score(archs);
      archs.forEach((arch, i) => {
        seen.set(archId(space, arch), { arch, predicted: scores[i] ?? Number.NaN });
      });
      return scores;
    },
  });
  const feasible = [...seen.values()].filter(({ arch }) => archCosts(space, arch).macs <= maxMacs);
  return feasible.sort((a, b) => b.predicted - a.predicted).slice(0, NEAR_OPTIMUM);
}

/** How right the predictor is where a search ends: predicted against measured top-1 of the best it scored, points. */
async function nearTheOptimum(maxMacs: number): Promise<string> {
  const best = await highestUnder(maxMacs);
  const errors: number[] = [];
  for (const { arch, predicted } of best) errors.push(100 * (predicted - (await labeler.label(arch)).top1));
  const bias = meanOf(errors);
  const spread = Math.sqrt(meanOf(errors.map((error) => (error - bias) ** 2)));
  const sign = bias < 0 ? '' : '+';
  return `| at most ${maxMacs / 1e6} M MACs | ${errors.length} | ${sign}${bias.toFixed(3)} | ${spread.toFixed(3)} |`;
}

const rows: Row[] = [await measured('smallest', canonicalArch(space, minArch(space)))];
for (const limit of LIMITS) rows.push(await measured(`best at most ${limit / 1e6} M MACs`, await chosen(limit)));
rows.push(await measured('largest', canonicalArch(space, maxArch(space))));
const near: string[] = [];
for (const limit of LIMITS) near.push(await nearTheOptimum(limit));
await predictor.release();

const percent = (share: number): string => (share * 100).toFixed(2);
const count = (n: number): string => n.toLocaleString('en-US');
const table = rows.map(
  (row) =>
    `| ${row.name} | ${count(row.macs)} | ${count(row.params)} | ${percent(row.selectionTop1)} | ${percent(row.testTop1)} |`,
);
/** What one run of training was, as its folder tells. */
function runSection(dir: string, index: number): string {
  const recipe: unknown = JSON.parse(readFileSync(join(dir, 'recipe.json'), 'utf8'));
  const lines = readFileSync(join(dir, 'log.jsonl'), 'utf8').trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as TrainEvent);
  const windows = events.filter((event) => event.kind === 'window');
  const last = windows[windows.length - 1];
  if (last === undefined) throw new Error(`${dir} has no figures in its log`);
  const { images, step, steps, elapsedMs } = last;
  const hours = (elapsedMs / 3.6e6).toFixed(2);
  const stopped = step < steps ? `, stopped there of ${count(steps)}` : '';
  return `### Run ${index + 1}

${count(images)} images, ${count(step)} steps${stopped}, ${hours} hours on the clock with two threads of a machine that did other work, too.

\`\`\`json
${JSON.stringify(recipe, undefined, 2)}
\`\`\`
`;
}
/** The commands and the runs of an earlier card, as they stand there. */
function trainingOf(path: string): { readonly commands: readonly string[]; readonly runs: readonly string[] } {
  const [head, ...runs] = (readFileSync(path, 'utf8').split('\n## Training\n')[1] ?? '').split(/^(?=### Run )/m);
  const commands = (head ?? '').split('\n').flatMap((line) => (line.startsWith('    ') ? [line.slice(4)] : []));
  return { commands, runs: runs.map((run) => `${run.trim()}\n`) };
}
const own = join(options.bundle, 'README.md');
// The same weights described anew were trained as the card says that is there.
const isTold = options.training.length > 0 || options.command.length > 0 || !existsSync(own);
const earlier = options.after ?? (isTold ? undefined : own);
const before = earlier === undefined ? { commands: [], runs: [] } : trainingOf(earlier);
const commands = [...before.commands, ...options.command];
const runs = [...before.runs, ...options.training.map((dir, i) => runSection(dir, before.runs.length + i))].join('\n');
const { quality } = predictor;
if (quality === undefined) throw new Error('an imported predictor has no quality to print');
const card = `# ${bundle.title}

A once-for-all supernet (Cai et al., ICLR 2020) with ${countSubnets(space).toLocaleString('en-US')} sub-networks by active blocks, at the resolutions
${space.resolutions.join(', ')}; trained from scratch by this repository on 55,000 of Fashion-MNIST's 60,000 training images.

## Accuracy

Top-1 in %, batch normalisation calibrated on 2,000 training images, single crop, no test-time augmentation. Architectures are those that a search
by the predictor returns, whose labels were measured on the 3,000 selection images, so that their column had a part in the choice; the 10,000 test images score what was chosen.

| sub-network | MACs | params | selection (3,000) | test (10,000) |
|---|---|---|---|---|
${table.join('\n')}

Standard error of a test figure: about 0.3 points. Printed by \`npx tsx scripts/model-card.ts --bundle ${options.bundle}\` (onnxruntime-node ${runtimeVersion()}, ${cpus()[0]?.model.trim()}).

## Accuracy predictor

An MLP ensemble on the one-hot encoding, trained on the top-1 to expect on other images (docs/adr/0031). On ${quality.heldOut} architectures held out of its training: RMSE ${quality.rmsePoints.toFixed(3)} points, Kendall tau ${quality.kendallTau.toFixed(3)}
(Spearman ${quality.spearman.toFixed(3)}); the two halves of the label images rank the same architectures with tau ${quality.splitHalfKendallTau.toFixed(3)}, the reliability of the whole
labels is ${quality.labelReliability.toFixed(3)}: one that knew each top-1 on all images of their kind would reach about tau ${tauCeiling(quality.labelReliability).toFixed(2)} with them (as for normal deviates). Some of what labels of the same
images have in common is learned too, so the figure above can exceed it.

Where a search ends, predicted minus measured top-1 of the architectures that it scored highest, in points; a positive mean is what the
prediction promises too much, to which choosing the highest scores adds, a negative one what it promises too little:

| search | architectures | mean | standard deviation |
|---|---|---|---|
${near.join('\n')}

Made by

    npx tsx scripts/collect-accuracies.ts --bundle ${options.bundle} --out labels.jsonl
    npx tsx scripts/train-predictor.ts --labels labels.jsonl --bundle ${options.bundle} --out ${options.bundle}

## Data

Fashion-MNIST (Zalando, MIT; notice in FASHION-MNIST-LICENSE). Of the 60,000 training images 55,000 train weights, 3,000 label architectures for the predictor,
and 2,000, disjoint, are shipped in verification.idx to measure delivered networks; the weights of run 5 and those after it were compared on both before they were shipped. calibration.idx holds 2,000 of the 55,000.
Weights: sha256 ${weightsSha256}.

## Training

${commands.map((command) => `    ${command}`).join('\n')}

${runs}`;

const figures = Object.fromEntries(
  rows.map(({ name, macs, selectionTop1, testTop1, arch }) => [name, { macs, selectionTop1, testTop1, arch }]),
);
await addBundleFiles(options.bundle, new Map([['README.md', new TextEncoder().encode(card)]]), { accuracy: figures });
console.log(table.join('\n'));
