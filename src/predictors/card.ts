import { isAscending, isNumber, isText } from '../common/checks.js';
import { BespokeError } from '../common/errors.js';
import type { PredictorQuality } from './quality.js';

/** The encoding that inputs are made with: `encodeArchs` of the space room. Changes when that function does. */
export const ENCODING = 'one-hot-1';

/** What `predictor.json` says of every predictor; the weights are in `predictor.safetensors`. */
interface CardCommon {
  readonly schema: 1;
  readonly spaceId: string;
  readonly encoding: string;
  readonly features: number;
  /** Resolutions that it can be asked for, ascending. */
  readonly resolutions: readonly number[];
  readonly mean: number;
  readonly std: number;
  /** sha256 of `predictor.safetensors`. */
  readonly tensorsSha256: string;
}

/** The card of a predictor that was trained here, on measured sub-networks. */
interface TrainedCard extends CardCommon {
  readonly imported?: never;
  /** sha256 of the supernet's weights that the labels were measured with. */
  readonly weightsSha256: string;
  /** Architectures trained on, and label images per architecture. */
  readonly trainedOn: number;
  readonly labelImages: number;
  readonly seed: number;
  readonly quality: PredictorQuality;
  /** |predicted - measured| of the held-out architectures, ascending; fractions. */
  readonly absoluteResiduals: readonly number[];
  /** measured - predicted of the same architectures, ascending: what one-sided bounds are made of. Cards of before they were kept lack it. */
  readonly residuals?: readonly number[];
}

/** Where an imported predictor comes from. */
export interface ImportedFrom {
  /** Layout of the file: the published tutorial's, or that of the published package `ofa.nas`. */
  readonly form: 'tutorial' | 'ofa.nas';
  /** sha256 of the file. */
  readonly fileSha256: string;
}

/** The card of an imported predictor: its file says neither which weights it predicts nor how well. */
interface ImportedCard extends CardCommon {
  readonly imported: ImportedFrom;
}

export type PredictorCard = TrainedCard | ImportedCard;

type DerivedFields = 'schema' | 'encoding' | 'features' | 'mean' | 'std' | 'tensorsSha256';

/** A card without what follows from the ensemble. */
export type CardFacts = Omit<TrainedCard, DerivedFields> | Omit<ImportedCard, DerivedFields>;

type Rules<T> = Record<keyof T, (value: unknown) => boolean>;

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0; // isSafeInteger is true of numbers alone
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const QUALITY_FIELDS = [
  'heldOut',
  'rmsePoints',
  'kendallTau',
  'spearman',
  'splitHalfKendallTau',
  'labelReliability',
] as const satisfies readonly (keyof PredictorQuality)[];

const isQuality = (value: unknown): boolean =>
  isObject(value) && QUALITY_FIELDS.every((field) => isNumber(Reflect.get(value, field)));

const isImportedFrom = (value: unknown): boolean =>
  isObject(value) &&
  ['tutorial', 'ofa.nas'].includes(String(Reflect.get(value, 'form'))) &&
  isText(Reflect.get(value, 'fileSha256'));

/** What each field of a card must be. */
const COMMON_RULES = {
  schema: (value) => value === 1,
  spaceId: isText,
  encoding: (value) => value === ENCODING,
  features: isCount,
  resolutions: isAscending,
  mean: isNumber,
  std: isNumber,
  tensorsSha256: isText,
} as const satisfies Rules<CardCommon>;

const TRAINED_RULES = {
  ...COMMON_RULES,
  imported: (value) => value === undefined,
  weightsSha256: isText,
  trainedOn: isCount,
  labelImages: isCount,
  seed: Number.isSafeInteger,
  quality: isQuality,
  absoluteResiduals: isAscending,
  residuals: (value) => value === undefined || isAscending(value),
} as const satisfies Rules<TrainedCard>;

const IMPORTED_RULES = { ...COMMON_RULES, imported: isImportedFrom } as const satisfies Rules<ImportedCard>;

/** The card's file. */
export const CARD_FILE = 'predictor.json';

/** Refuses a predictor's files. @throws BespokeError `bundle-invalid`, always */
export function refusePredictor(where: string, detail: string, cause?: unknown): never {
  throw new BespokeError('bundle-invalid', `the accuracy predictor in "${where}" cannot be used: ${detail}`, {}, cause);
}

/** Reads and checks `predictor.json`. @throws BespokeError `bundle-invalid` naming the field */
export function parseCard(bytes: Uint8Array, where: string): PredictorCard {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    refusePredictor(where, `${CARD_FILE} is not JSON`, cause);
  }
  if (!isObject(value)) return refusePredictor(where, `${CARD_FILE} is not a JSON object`);
  const rules = Reflect.has(value, 'imported') ? IMPORTED_RULES : TRAINED_RULES;
  for (const [field, isValid] of Object.entries(rules)) {
    const given: unknown = Reflect.get(value, field);
    if (!isValid(given)) {
      refusePredictor(where, `${CARD_FILE} has ${field} ${JSON.stringify(given) ?? 'missing'}`);
    }
  }
  return value as PredictorCard; // every field was checked above
}
