/** Trains the accuracy predictor from labels: `npx tsx scripts/train-predictor.ts --labels FILE --bundle DIR --out DIR`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { PREDICTOR_FILES } from '../src/predictors/file.js';
import { addBundleFiles, loadBundle } from '../src/supernet/bundle.js';
import { readLabels } from '../src/train/predictor/label-file.js';
import { trainPredictor } from '../src/train/predictor/train.js';

const program = new Command('train-predictor')
  .requiredOption('--labels <file>', 'label file of collect-accuracies')
  .requiredOption('--bundle <dir>', 'bundle that the labels were measured with')
  .requiredOption(
    '--out <dir>',
    `folder for ${PREDICTOR_FILES.card} and ${PREDICTOR_FILES.tensors}; the bundle itself: they join it`,
  )
  .option('--seed <n>', 'splits the labels and starts the weights', '1')
  .parse();

const options = program.opts<{ bundle: string; labels: string; out: string; seed: string }>();
const { supernet } = await loadBundle(options.bundle);
const labels = await readLabels(options.labels);
if (labels.header.weightsSha256 !== supernet.sha256) {
  console.error(`the labels are of the weights ${labels.header.weightsSha256}, the bundle has ${supernet.sha256}`);
  process.exit(1);
}
const { bytes, quality, trainedOn } = await trainPredictor(supernet.space, labels, { seed: Number(options.seed) });
const files = new Map([
  [PREDICTOR_FILES.card, bytes.card],
  [PREDICTOR_FILES.tensors, bytes.tensors],
]);
if (resolve(options.out) === resolve(options.bundle)) {
  await addBundleFiles(options.out, files, { predictor: { trainedOn, ...quality } });
} else {
  await mkdir(options.out, { recursive: true });
  for (const [name, content] of files) await writeFile(join(options.out, name), content);
}
console.log(JSON.stringify({ trainedOn, ...quality }, undefined, 2));
