import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRng } from '../../src/common/rng.js';
import { openImages } from '../../src/data/open-images.js';
import type { SearchSpace } from '../../src/space/types.js';
import { encodeIdx } from '../../src/tensor/idx.js';
import { encodeSafetensors } from '../../src/tensor/safetensors.js';
import { tensorFrom } from '../../src/tensor/tensor.js';
import { initSupernet } from '../../src/train/initialize.js';
import { makeBundle } from '../../src/train/make-bundle.js';
import { readTrainingData } from '../../src/train/training-data.js';

const SIDE = 12;
const CLASSES = 3;

/** Three classes that can be told apart: a bright bar at the top, in the middle or at the bottom, on noise. */
function bars(count: number, seed: number): { readonly images: Uint8Array; readonly labels: Uint8Array } {
  const rng = makeRng(seed);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % CLASSES);
  const pixels = Uint8Array.from({ length: count * SIDE * SIDE }, (_, i) => {
    const row = Math.floor((i % (SIDE * SIDE)) / SIDE);
    const label = labels[Math.floor(i / (SIDE * SIDE))];
    return Math.floor(row / (SIDE / CLASSES)) === label ? 150 + rng.int(106) : rng.int(150);
  });
  return {
    images: encodeIdx(tensorFrom('uint8', [count, SIDE, SIDE], pixels)),
    labels: encodeIdx(tensorFrom('uint8', [count], labels)),
  };
}

/** Writes a learnable data set of three classes into a folder, as IDX files: `count` training images and half as many test images. */
export function writeLearnableImages(dir: string, count = 300, seed = 1): void {
  mkdirSync(dir, { recursive: true });
  for (const [part, parts] of Object.entries({ train: bars(count, seed), t10k: bars(count / 2, seed + 1) })) {
    writeFileSync(join(dir, `${part}-images-idx3-ubyte`), parts.images);
    writeFileSync(join(dir, `${part}-labels-idx1-ubyte`), parts.labels);
  }
}

/** Makes a bundle of a supernet of these images in `<root>/<id>`, with the weights that training begins with. */
export async function writeLearnableBundle(
  root: string,
  options: { readonly id: string; readonly space: SearchSpace; readonly dataDir: string },
): Promise<string> {
  const { id, space, dataDir } = options;
  const source = await openImages(dataDir, space.classes);
  const { record } = await readTrainingData(source, space);
  const weightsPath = join(root, `${id}.safetensors`);
  mkdirSync(root, { recursive: true });
  writeFileSync(weightsPath, encodeSafetensors(initSupernet(space, makeRng(1))));
  const outDir = join(root, id);
  await makeBundle({ id, title: id, space, weightsPath, source, record, outDir });
  return outDir;
}
