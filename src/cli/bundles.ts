import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import type { ImageSource } from '../data/image-source.js';
import { parseSpace } from '../space/parse-space.js';
import type { SearchSpace } from '../space/types.js';
import { loadBundle } from '../supernet/bundle.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import type { DataRecord } from '../train/data-record.js';
import { makeBundle } from '../train/make-bundle.js';
import { WEIGHTS_FILE } from '../train/run.js';
import { EXIT, readJson } from './arguments.js';
import { folderId } from './folder-id.js';
import { loadRecord, openSource } from './own-data.js';
import type { Terminal } from './terminal.js';

/** How a bundle is called; the folder's name unless told. */
export interface BundleNames {
  readonly id?: string | undefined;
  readonly title?: string | undefined;
}

function titleOf(id: string, { resolutions, inputChannels, classes }: SearchSpace): string {
  const side = Math.max(...resolutions);
  return `${id}, ${side} x ${side} ${inputChannels === 1 ? 'grey' : 'RGB'}, ${classes} classes`;
}

export interface FinishedRun extends BundleNames {
  readonly runDir: string;
  readonly outDir: string;
  readonly space: SearchSpace;
  readonly source: ImageSource;
  readonly record: DataRecord;
}

/** Makes the bundle of a finished run. @returns sha256 of its weights */
export async function bundleRun(terminal: Terminal, run: FinishedRun): Promise<string> {
  const { runDir, outDir, space, source, record } = run;
  const id = run.id ?? folderId(outDir);
  const weightsPath = join(runDir, WEIGHTS_FILE);
  if (!existsSync(weightsPath)) {
    throw new BespokeError(
      'not-found',
      `${runDir} has no ${WEIGHTS_FILE}: its training is not finished; go on with bespoke train --resume`,
    );
  }
  const sha = await makeBundle({
    ...{ id, title: run.title ?? titleOf(id, space), space, weightsPath, source, record, outDir },
    onProgress: (progress) => terminal.progress('reading images', progress),
  });
  terminal.endProgress();
  return sha;
}

/** Whether a folder already is the bundle of these weights: made anew it would lose its predictor. */
export async function isBundleOf(dir: string, weightsPath: string): Promise<boolean> {
  if (!existsSync(join(dir, 'bundle.json'))) return false;
  const { supernet } = await loadBundle(dir);
  // A run's file has metadata that a bundle's has not: compared are the tensors, written the bundle's way.
  const { tensors } = decodeSafetensors(await readFile(weightsPath), weightsPath);
  return sha256(encodeSafetensors(tensors)) === supernet.sha256;
}

export interface MakeBundleCommand extends BundleNames {
  readonly run: string;
  readonly data?: string | undefined;
  readonly out: string;
}

/** `bespoke bundle make`: a bundle of a finished training run. */
export async function makeBundleCommand(terminal: Terminal, options: MakeBundleCommand): Promise<number> {
  const spacePath = join(options.run, 'space.json');
  const space = parseSpace(await readJson(spacePath), spacePath);
  const record = await loadRecord(options.run);
  if (record === undefined) {
    throw new BespokeError(
      'not-found',
      `${options.run} has no data.json: it does not say what it was trained on; bespoke train --resume writes it`,
    );
  }
  const source = await openSource(options, space.classes);
  const names = { id: options.id, title: options.title };
  const weightsSha256 = await bundleRun(terminal, {
    ...names,
    ...{ runDir: options.run, outDir: options.out, space, source, record },
  });
  terminal.printJson({ dir: options.out, weightsSha256 });
  terminal.print(`${options.out}: bundle of the weights ${weightsSha256}`);
  terminal.print(`next: bespoke predictor train --supernet ${options.out} --data ${options.data ?? source.dir}`);
  return EXIT.done;
}
