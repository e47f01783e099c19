/** Makes a bundle of weights that were trained on Fashion-MNIST, without a run's folder (for one of those: `bespoke bundle make`). */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findFashionMnist } from '../src/data/fashion-mnist.js';
import { openImages } from '../src/data/open-images.js';
import { parseSpace } from '../src/space/parse-space.js';
import { knownRecord } from '../src/train/data-record.js';
import { makeBundle } from '../src/train/make-bundle.js';

const { values } = parseArgs({
  options: {
    weights: { type: 'string' },
    out: { type: 'string', default: 'models/fashion-mnist' },
    space: { type: 'string', default: 'models/fashion-mnist/space.json' },
    data: { type: 'string' },
    notice: { type: 'string', default: 'models/fashion-mnist/FASHION-MNIST-LICENSE' },
  },
});
if (values.weights === undefined) {
  console.error(
    'usage: npx tsx scripts/make-bundle.ts --weights supernet.safetensors [--out DIR] [--space FILE] [--data DIR]',
  );
  process.exit(3);
}
const space = parseSpace(JSON.parse(readFileSync(values.space, 'utf8')), values.space);
const source = await openImages(findFashionMnist(values.data === undefined ? [] : [values.data]), space.classes);
const record = knownRecord(source);
if (record === undefined) {
  console.error(`${source.dir} is not Fashion-MNIST as published; for other data: bespoke bundle make --run DIR`);
  process.exit(3);
}
const sha = await makeBundle({
  id: 'fashion-mnist',
  title: 'Fashion-MNIST, 28 x 28 grey, 10 classes of clothing',
  space,
  weightsPath: values.weights,
  source,
  record,
  outDir: values.out,
  extraFiles: new Map([['FASHION-MNIST-LICENSE', readFileSync(values.notice)]]),
});
console.log(`${values.out}: weights ${sha}`);
