/** Labels architectures for the accuracy predictor: `npx tsx scripts/collect-accuracies.ts --bundle DIR --out FILE`. */
import { Command } from 'commander';
import { DEBIAN_FASHION_MNIST_DIR } from '../src/data/fashion-mnist.js';
import { collectAccuracies } from '../src/train/predictor/collect.js';

const program = new Command('collect-accuracies')
  .requiredOption('--bundle <dir>', 'bundle whose supernet is measured')
  .option('--data <dir>', 'folder of the images that it was trained on', DEBIAN_FASHION_MNIST_DIR)
  .requiredOption('--out <file>', 'label file (JSON lines), made or gone on with')
  .option('--count <n>', 'architectures in all', '4000')
  .option('--workers <n>', 'processes of one thread each', '2')
  .option('--seed <n>', 'which architectures', '1')
  .option('--images <n>', 'label images per architecture', '3000')
  .option('--calibration-images <n>', 'calibration images per architecture', '1000')
  .parse();

const options = program.opts<{
  bundle: string;
  data: string;
  out: string;
  count: string;
  workers: string;
  seed: string;
  images: string;
  calibrationImages: string;
}>();
const count = await collectAccuracies({
  bundleDir: options.bundle,
  dataDir: options.data,
  outFile: options.out,
  count: Number(options.count),
  workers: Number(options.workers),
  seed: Number(options.seed),
  images: Number(options.images),
  calibrationImages: Number(options.calibrationImages),
  onProgress: ({ done, total, note }) => {
    if (done % 25 === 0 || done === total) console.log(`${done} of ${total} labeled, ${note}`);
  },
});
console.log(`${count} labels in ${options.out}`);
