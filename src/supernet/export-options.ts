import { BespokeError } from '../common/errors.js';
import { MODEL_OPSETS, OPSET_VERSION } from '../onnx/ir.js';
import type { InputSpec } from '../tensor/image-set.js';

/** What a delivered model takes: normalized values, or pixels of 0..1 (`unit`) or 0..255 (`bytes`), which it then normalizes itself. */
export const NORMALIZATIONS = ['none', 'unit', 'bytes'] as const;
export type Normalization = (typeof NORMALIZATIONS)[number];

/**
 * How a delivered model is written, for runtimes that need more than standard operators. It computes the same network whatever is chosen;
 * height and width are always fixed, by the architecture.
 */
export interface ExportOptions {
  /** Images per run, fixed; 1..{@link MAX_STATIC_BATCH}. Absent: any number. */
  readonly batch?: number;
  /** The output is `probabilities`, which sum to 1, in place of `logits`. */
  readonly softmax: boolean;
  readonly normalize: Normalization;
  /** Version of the operator set, 13..21. Every operator that is written is in all of them. */
  readonly opset: number;
}

/** What a model is written with unless told. */
export const PLAIN_EXPORT: ExportOptions = { softmax: false, normalize: 'none', opset: OPSET_VERSION };

/** What is delivered is run here first: 64 of the largest published images take about 1 GB of activations. */
const MAX_STATIC_BATCH = 64;

function refuse(option: string, accepted: string, given: unknown): never {
  throw new BespokeError(
    'invalid-request',
    `export option "${option}" must be ${accepted}, got ${JSON.stringify(given) ?? 'nothing'}`,
  );
}

const isWhole = (value: unknown, low: number, high: number): value is number =>
  Number.isInteger(value) && Number(value) >= low && Number(value) <= high;

/**
 * Fills in defaults and checks values.
 * @param given any of the options; undefined members count as absent
 * @throws BespokeError `invalid-request` naming the option, what is accepted and what was given
 */
export function fillExport(
  given: { readonly [Name in keyof ExportOptions]?: ExportOptions[Name] | undefined },
): ExportOptions {
  const known: readonly string[] = ['batch', 'softmax', 'normalize', 'opset'] satisfies (keyof ExportOptions)[];
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new BespokeError('invalid-request', `"${unknown}" is no export option; there are ${known.join(', ')}`);
  }
  const {
    batch,
    softmax = PLAIN_EXPORT.softmax,
    normalize = PLAIN_EXPORT.normalize,
    opset = PLAIN_EXPORT.opset,
  } = given;
  if (batch !== undefined && !isWhole(batch, 1, MAX_STATIC_BATCH)) {
    refuse('batch', `a whole number from 1 to ${MAX_STATIC_BATCH}`, batch);
  }
  if (typeof softmax !== 'boolean') refuse('softmax', 'true or false', softmax);
  if (!NORMALIZATIONS.includes(normalize)) refuse('normalize', `one of ${NORMALIZATIONS.join(', ')}`, normalize);
  const { oldest, newest } = MODEL_OPSETS;
  if (!isWhole(opset, oldest, newest)) {
    const why = 'older ones lack forms of the operators that are used, newer ones are not checked';
    refuse('opset', `a whole number from ${oldest} to ${newest} (${why})`, opset);
  }
  return { ...(batch === undefined ? {} : { batch }), softmax, normalize, opset };
}

/** Largest value that a pixel has before it is normalized. */
const PIXEL_MAX: Readonly<Record<Exclude<Normalization, 'none'>, number>> = { unit: 1, bytes: 255 };

/** Per channel x = pixel * scale + shift. */
export interface PixelAffine {
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

/** What the graph does to its pixels; undefined where it takes normalized values. */
export function normalizationOf(input: InputSpec, normalize: Normalization): PixelAffine | undefined {
  if (normalize === 'none') return undefined;
  const [low, high] = input.range;
  return {
    scale: input.std.map((std) => (high - low) / PIXEL_MAX[normalize] / std),
    shift: input.mean.map((mean, channel) => (low - mean) / (input.std[channel] ?? 1)),
  };
}

/** How an image becomes the input of a model that is written so: what its `bespoke.input` says. */
export function exportedInput(input: InputSpec, normalize: Normalization): InputSpec {
  if (normalize === 'none') return input;
  return { ...input, range: [0, PIXEL_MAX[normalize]], mean: input.mean.map(() => 0), std: input.std.map(() => 1) };
}

/** The chosen options that are not those of a plain export, for the model's metadata; undefined if none. */
export function unusualOptions(options: ExportOptions): Partial<ExportOptions> | undefined {
  const plain: Readonly<Record<string, unknown>> = { ...PLAIN_EXPORT };
  const unusual = Object.entries(options).filter(([name, value]) => plain[name] !== value);
  return unusual.length === 0 ? undefined : Object.fromEntries(unusual);
}
