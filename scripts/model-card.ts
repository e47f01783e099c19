/**
 * Writes a bundle's model card (README.md) and its test figures: `npx tsx scripts/model-card.ts --bundle models/fashion-mnist --training RUN_DIR`.
 * The only place that touches the 10,000 test images. Architectures are chosen on the selection images alone: a search by the predictor under each
 * limit, then the best of its front by measured selection accuracy; the test images score what was chosen, once.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { findFashionMnist, loadFashionMnist } from '../src/data/fashion-mnist.js';
import { SPLIT_SEED, splitTrainValidation } from '../src/data/splits.js';
import { measureTop1 } from '../src/evaluate/top1.js';
import { loadPredictor } from '../src/predictors/predictor.js';
import { runtimeVersion } from '../src/runtime/session.js';
import { search } from '../src/search/evolve.js';
import { canonicalArch, maxArch, minArch } from '../src/space/arch.js';
import { makeCostTable } from '../src/space/cost-table.js';
import { archCosts } from '../src/space/costs.js';
import { countSubnets } from '../src/space/count.js';
import type { Arch } from '../src/space/types.js';
import { deliver } from '../src/specialize/deliver.js';
import { describeArchs } from '../src/specialize/describe.js';
import { addBundleFiles, loadBundle } from '../src/supernet/bundle.js';
import { makeLabeler } from '../src/train/predictor/label.js';

/** The limits that accuracy is reported under, MACs. */
const LIMITS = [1_000_000, 3_000_000, 10_000_000] as const;
/** Candidates of each front that are measured on the selection images before one is chosen. */
const FINALISTS = 8;
const EVALUATIONS = 50_000;

const program = new Command('model-card')
  .option('--bundle <dir>', 'bundle to describe', 'models/fashion-mnist')
  .option('--data <dir>', 'folder of the Fashion-MNIST files')
  .option('--training <dir>', 'folder of the training run: its recipe and log are quoted')
  .option('--command <text>', 'the command that trained it', '')
  .parse();
const options = program.opts<{ bundle: string; data?: string; training?: string; command: string }>();

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

/** The best architecture under a limit by measured selection accuracy, out of the search's most accurate finalists. */
async function chosen(maxMacs: number): Promise<Arch> {
  const { paretoFront } = await search({
    space,
    objective: predictor.asObjective(),
    constraints: [{ id: 'maxMacs', max: maxMacs, cost: (archs) => costs.macs(archs) }],
    describe: (archs) => describeArchs({ costs, latency: undefined }, archs),
    frontAxis: 'macs',
    evaluations: EVALUATIONS,
    resolutions: predictor.resolutions,
    seed: 1,
  });
  const finalists = [...paretoFront].sort((a, b) => b.predictedTop1 - a.predictedTop1).slice(0, FINALISTS);
  let best: { readonly arch: Arch; readonly top1: number } | undefined;
  for (const { arch } of finalists) {
    const { top1 } = await labeler.label(arch);
    if (best === undefined || top1 > best.top1) best = { arch, top1 };
  }
  if (best === undefined) throw new Error(`nothing was found under ${maxMacs} MACs`);
  return best.arch;
}

const rows: Row[] = [await measured('smallest', canonicalArch(space, minArch(space)))];
for (const limit of LIMITS) rows.push(await measured(`best at most ${limit / 1e6} M MACs`, await chosen(limit)));
rows.push(await measured('largest', canonicalArch(space, maxArch(space))));
await predictor.release();

const percent = (share: number): string => (share * 100).toFixed(2);
const count = (n: number): string => n.toLocaleString('en-US');
const table = rows.map(
  (row) =>
    `| ${row.name} | ${count(row.macs)} | ${count(row.params)} | ${percent(row.selectionTop1)} | ${percent(row.testTop1)} |`,
);
const recipePath = options.training === undefined ? '' : join(options.training, 'recipe.json');
const recipe = existsSync(recipePath) ? JSON.stringify(JSON.parse(readFileSync(recipePath, 'utf8')), undefined, 2) : '';
const { quality } = predictor;
if (quality === undefined) throw new Error('an imported predictor has no quality to print');
const card = `# ${bundle.title}

A once-for-all supernet (Cai et al., ICLR 2020) with ${countSubnets(space).toLocaleString('en-US')} sub-networks by active blocks, at the resolutions
${space.resolutions.join(', ')}; trained from scratch by this repository on 55,000 of Fashion-MNIST's 60,000 training images. It is a first, briefly trained
supernet: its accuracies are stated as they are.

## Accuracy

Top-1 in %, batch normalisation calibrated on 2,000 training images, single crop, no test-time augmentation. Architectures are chosen on the 3,000
selection images (search by the predictor, then the best of ${FINALISTS} finalists); the 10,000 test images score what was chosen.

| sub-network | MACs | params | selection (3,000) | test (10,000) |
|---|---|---|---|---|
${table.join('\n')}

Standard error of a test figure: about 0.3 points. Printed by \`npx tsx scripts/model-card.ts --bundle ${options.bundle}\` (onnxruntime-node ${runtimeVersion()}, ${cpus()[0]?.model.trim()}).

## Accuracy predictor

An MLP ensemble on the one-hot encoding. On ${quality.heldOut} architectures held out of its training: RMSE ${quality.rmsePoints.toFixed(3)} points, Kendall tau ${quality.kendallTau.toFixed(3)}
(Spearman ${quality.spearman.toFixed(3)}); the two halves of the label images rank the same architectures with tau ${quality.splitHalfKendallTau.toFixed(3)}, the reliability of the whole
labels is ${quality.labelReliability.toFixed(3)}. Made by

    npx tsx scripts/collect-accuracies.ts --bundle ${options.bundle} --out labels.jsonl
    npx tsx scripts/train-predictor.ts --labels labels.jsonl --bundle ${options.bundle} --out ${options.bundle}

## Data

Fashion-MNIST (Zalando, MIT; notice in FASHION-MNIST-LICENSE). Of the 60,000 training images 55,000 train weights, 3,000 label architectures for the predictor
and choose among them, and 2,000, disjoint, are shipped in verification.idx to measure delivered networks. calibration.idx holds 2,000 of the 55,000.
Weights: sha256 ${weightsSha256}.

## Training
${options.command === '' ? '' : `\n    ${options.command}\n`}${recipe === '' ? '' : `\n\`\`\`json\n${recipe}\n\`\`\`\n`}`;

const figures = Object.fromEntries(
  rows.map(({ name, macs, selectionTop1, testTop1, arch }) => [name, { macs, selectionTop1, testTop1, arch }]),
);
await addBundleFiles(options.bundle, new Map([['README.md', new TextEncoder().encode(card)]]), { accuracy: figures });
console.log(table.join('\n'));
