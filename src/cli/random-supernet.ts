import { makeRng } from '../common/rng.js';
import { NO_IMAGES, writeBundle } from '../supernet/bundle.js';
import { randomWeights } from '../supernet/random-weights.js';
import { EXIT } from './arguments.js';
import { type CalibrationOptions, calibrationImages, calibrationSentence } from './calibration.js';
import { folderId } from './folder-id.js';
import { formatCount } from './format.js';
import { assertNewFolder, newBundleMeaning, readClassNames } from './new-bundle.js';
import type { Terminal } from './terminal.js';

export interface InitSupernetCommand extends CalibrationOptions {
  readonly space: string;
  readonly seed: number;
  readonly out: string;
  readonly id?: string | undefined;
  readonly title?: string | undefined;
  /** File of class names. */
  readonly classes?: string | undefined;
}

/** `bespoke supernet init`: the bundle of a supernet with random weights, to try a space out before anything is trained. */
export async function initSupernetCommand(
  terminal: Terminal,
  modelDirs: readonly string[],
  options: InitSupernetCommand,
): Promise<number> {
  const { seed, out } = options;
  await assertNewFolder(out);
  const { space, input, classNames } = await newBundleMeaning(options.space, modelDirs);
  const calibration = await calibrationImages(terminal, { space, input }, options);
  const tensors = randomWeights(space, makeRng(seed));
  const id = options.id ?? folderId(out);
  const weightsSha256 = await writeBundle(out, {
    id,
    title: options.title ?? `${space.id} with random weights, not trained`,
    space,
    tensors,
    input,
    classNames: options.classes === undefined ? classNames : await readClassNames(options.classes, space.classes),
    calibration,
    verification: NO_IMAGES,
    figures: {
      randomWeights: { seed, note: 'The weights are random: nothing was trained, and no accuracy is known.' },
    },
  });
  const { count } = calibration;
  terminal.printJson({
    dir: out,
    spaceId: space.id,
    tensors: tensors.size,
    seed,
    weightsSha256,
    calibrationImages: count,
  });
  terminal.print(`${out}: ${formatCount(tensors.size)} tensors of ${space.id}, random; weights ${weightsSha256}`);
  terminal.print(calibrationSentence(count));
  terminal.print(`next: bespoke extract --supernet ${out} --arch ARCH.json`);
  return EXIT.done;
}
