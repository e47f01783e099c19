import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findFashionMnist } from '../src/data/fashion-mnist.js';
import { parseSpace } from '../src/space/parse-space.js';
import { makeFashionMnistBundle } from '../src/train/make-bundle.js';

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
const dataDir = findFashionMnist(values.data === undefined ? [] : [values.data]);
const space = parseSpace(JSON.parse(readFileSync(values.space, 'utf8')), values.space);
const sha = await makeFashionMnistBundle({
  id: 'fashion-mnist',
  title: 'Fashion-MNIST, 28 x 28 grey, 10 classes of clothing',
  space,
  weightsPath: values.weights,
  dataDir,
  outDir: values.out,
  extraFiles: new Map([['FASHION-MNIST-LICENSE', readFileSync(values.notice)]]),
});
console.log(`${values.out}: weights ${sha}`);
