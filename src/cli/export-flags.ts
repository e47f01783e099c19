import type { Command } from 'commander';
import { type ExportOptions, fillExport, type Normalization } from '../supernet/export-options.js';
import { wholeNumber } from './arguments.js';

/** The options of a command that writes a delivered model, as commander gives them. */
export interface ExportFlags {
  readonly batch?: number;
  readonly softmax?: boolean;
  /** True: given without a value. */
  readonly normalize?: Normalization | true;
  readonly opset?: number;
}

/** Adds them to a command. */
export const withExportFlags = (command: Command): Command =>
  command
    .option('--batch <n>', 'images per run, fixed (default: any number)', wholeNumber)
    .option('--softmax', 'softmax in the graph: the output is probabilities')
    .option(
      '--normalize [pixels]',
      'normalization in the graph: it takes pixels of 0..1 (unit, without a value) or 0..255 (bytes)',
    )
    .option('--opset <n>', "version of ONNX's operator set, 13 to 21 (default: 17)", wholeNumber);

/**
 * What was asked for, with every default; undefined where nothing was.
 * @throws BespokeError `invalid-request` naming the option, what is accepted and what was given
 */
export function exportOf({ batch, softmax, normalize, opset }: ExportFlags): ExportOptions | undefined {
  if ([batch, softmax, normalize, opset].every((given) => given === undefined)) return undefined;
  return fillExport({ batch, softmax, normalize: normalize === true ? 'unit' : normalize, opset });
}

const PIXELS = { none: 'normalized values', unit: 'pixels of 0..1', bytes: 'pixels of 0..255' } as const;

/** What a model of these options takes and gives, in one line. */
export function describeExport({ batch, softmax, normalize, opset }: ExportOptions): string {
  const images = batch === undefined ? 'any number of images' : `${batch} image${batch === 1 ? '' : 's'}`;
  return `takes ${images} per run as ${PIXELS[normalize]}, gives ${softmax ? 'probabilities' : 'logits'}; operator set ${opset}`;
}
