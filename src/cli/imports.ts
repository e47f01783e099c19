import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { PREDICTOR_FILES } from '../predictors/file.js';
import type { SearchSpace } from '../space/types.js';
import { addBundleFiles, loadBundle, NO_IMAGES, writeBundle } from '../supernet/bundle.js';
import { importCheckpoint } from '../supernet/import-checkpoint.js';
import { EXIT } from './arguments.js';
import { type CalibrationOptions, calibrationImages, calibrationSentence } from './calibration.js';
import { convertPredictor, openCheckpoint } from './checkpoint-file.js';
import { folderId } from './folder-id.js';
import { formatCount } from './format.js';
import { writeOut } from './jobs.js';
import { assertNewFolder, newBundleMeaning, readClassNames } from './new-bundle.js';
import { knownSpaces, resolveSpace } from './spaces.js';
import type { Terminal } from './terminal.js';

/** The space that a file is said to be of, and all that are known. */
async function spacesFor(
  name: string,
  modelDirs: readonly string[],
): Promise<{ space: SearchSpace; others: SearchSpace[] }> {
  const space = await resolveSpace(name, modelDirs);
  return { space, others: (await knownSpaces(modelDirs)).map((known) => known.space) };
}

export interface ImportSupernetCommand extends CalibrationOptions {
  readonly file: string;
  readonly space: string;
  readonly out: string;
  readonly id?: string | undefined;
  readonly title?: string | undefined;
  /** File of class names. */
  readonly classes?: string | undefined;
}

/** `bespoke supernet import`: the bundle of a published checkpoint. */
export async function importSupernetCommand(
  terminal: Terminal,
  modelDirs: readonly string[],
  options: ImportSupernetCommand,
): Promise<number> {
  const { file, out } = options;
  await assertNewFolder(out);
  const { space, input, classNames } = await newBundleMeaning(options.space, modelDirs);
  const others = (await knownSpaces(modelDirs)).map((known) => known.space);
  const { fileSha256, format, tensors } = await openCheckpoint(file);
  const supernet = importCheckpoint(space, tensors, { where: `"${file}"`, others });
  const calibration = await calibrationImages(terminal, { space, input }, options);
  const id = options.id ?? folderId(out);
  const weightsSha256 = await writeBundle(out, {
    id,
    title: options.title ?? `${id}, imported from ${basename(file)}`,
    space,
    tensors: supernet,
    input,
    classNames: options.classes === undefined ? classNames : await readClassNames(options.classes, space.classes),
    calibration,
    verification: NO_IMAGES,
    figures: { imported: { file: basename(file), fileSha256, format } },
  });
  terminal.printJson({
    ...{ dir: out, spaceId: space.id, tensors: supernet.size, format, fileSha256, weightsSha256 },
    calibrationImages: calibration.count,
  });
  terminal.print(`${out}: ${formatCount(supernet.size)} tensors of ${space.id}; weights ${weightsSha256}`);
  terminal.print(calibrationSentence(calibration.count));
  terminal.print(`next: bespoke extract --supernet ${out} --arch ARCH.json`);
  return EXIT.done;
}

export interface ImportPredictorCommand {
  readonly file: string;
  readonly space: string;
  readonly out: string;
  readonly resolutions?: readonly number[] | undefined;
}

/** A predictor joins only a bundle of its own space. */
async function assertBundleOf(dir: string, { id }: SearchSpace): Promise<void> {
  const { supernet } = await loadBundle(dir);
  if (supernet.space.id === id) return;
  throw new BespokeError(
    'conflict',
    `"${dir}" is a bundle of the space "${supernet.space.id}", the predictor is for "${id}"`,
  );
}

/** `bespoke predictor import`: a published accuracy predictor as ours, in a folder of its own or in a bundle's. */
export async function importPredictorCommand(
  terminal: Terminal,
  modelDirs: readonly string[],
  options: ImportPredictorCommand,
): Promise<number> {
  const { file, out } = options;
  const { space, others } = await spacesFor(options.space, modelDirs);
  const choices = { others, resolutions: options.resolutions };
  const { form, resolutions, bytes, fileSha256 } = await convertPredictor(file, space, choices);
  const files = new Map([
    [PREDICTOR_FILES.tensors, bytes.tensors],
    [PREDICTOR_FILES.card, bytes.card],
  ]);
  await mkdir(out, { recursive: true });
  if (existsSync(join(out, 'bundle.json'))) {
    await assertBundleOf(out, space);
    await addBundleFiles(out, files, { predictor: { imported: { file: basename(file), form, fileSha256 } } });
  } else {
    for (const [name, body] of files) await writeOut(join(out, name), body);
  }
  terminal.printJson({ dir: out, spaceId: space.id, form, resolutions, fileSha256 });
  terminal.print(
    `${out}: accuracy predictor for ${space.id} of the form ${form}, resolutions ${resolutions.join(', ')}`,
  );
  if (form === 'ofa.nas' && options.resolutions === undefined) {
    terminal.note(
      'the file does not say its resolutions; these are the usual ones for so many inputs, --resolutions gives others',
    );
  }
  return EXIT.done;
}
