import { BespokeError } from '../common/errors.js';
import { sha256 } from '../common/hash.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor, Tensor } from '../tensor/tensor.js';
import { type DenseLayer, inputSize, type Mlp, type MlpEnsemble } from './mlp-graph.js';
import type { PredictorQuality } from './quality.js';

/** The encoding that inputs are made with: `encodeArchs` of the space room. Changes when that function does. */
const ENCODING = 'one-hot-1';

/** What `predictor.json` says; the weights are in `predictor.safetensors`. */
export interface PredictorCard {
  readonly schema: 1;
  readonly spaceId: string;
  /** sha256 of the supernet's weights that the labels were measured with. */
  readonly weightsSha256: string;
  readonly encoding: string;
  readonly features: number;
  /** Resolutions that occur among the labels, ascending. */
  readonly resolutions: readonly number[];
  /** Architectures trained on, and label images per architecture. */
  readonly trainedOn: number;
  readonly labelImages: number;
  readonly seed: number;
  readonly mean: number;
  readonly std: number;
  readonly quality: PredictorQuality;
  /** |predicted - measured| of the held-out architectures, ascending; fractions. */
  readonly absoluteResiduals: readonly number[];
  /** sha256 of `predictor.safetensors`. */
  readonly tensorsSha256: string;
}

/** The two files of a predictor, in one folder. */
export const PREDICTOR_FILES = { card: 'predictor.json', tensors: 'predictor.safetensors' } as const;

export interface PredictorBytes {
  readonly card: Uint8Array;
  readonly tensors: Uint8Array;
}

/** A card without what follows from the ensemble. */
export type CardFacts = Omit<PredictorCard, 'schema' | 'encoding' | 'features' | 'mean' | 'std' | 'tensorsSha256'>;

/** Encodes a predictor; equal predictors have equal bytes. Tensors: `members.<m>.layers.<l>.weight` [out, in] and `.bias` [out]. */
export function encodePredictor(ensemble: MlpEnsemble, facts: CardFacts): PredictorBytes {
  const tensors = new Map<string, Tensor>();
  ensemble.members.forEach((member, m) => {
    member.layers.forEach(({ weight, bias }, l) => {
      tensors.set(`members.${m}.layers.${l}.weight`, weight);
      tensors.set(`members.${m}.layers.${l}.bias`, bias);
    });
  });
  const bytes = encodeSafetensors(tensors);
  const card: PredictorCard = {
    schema: 1,
    ...facts,
    encoding: ENCODING,
    features: inputSize(ensemble),
    mean: ensemble.mean,
    std: ensemble.std,
    tensorsSha256: sha256(bytes),
  };
  return { card: new TextEncoder().encode(`${JSON.stringify(card, undefined, 2)}\n`), tensors: bytes };
}

function refuse(where: string, detail: string, cause?: unknown): never {
  throw new BespokeError('bundle-invalid', `the accuracy predictor in "${where}" cannot be used: ${detail}`, {}, cause);
}

const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0; // isSafeInteger is true of numbers alone
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isNumbers = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isNumber);
const isAscending = (value: unknown): boolean =>
  isNumbers(value) && (value as number[]).every((x, i, all) => i === 0 || x >= all[i - 1]!); // isNumbers holds

const QUALITY_FIELDS = [
  'heldOut',
  'rmsePoints',
  'kendallTau',
  'spearman',
  'splitHalfKendallTau',
  'labelReliability',
] as const satisfies readonly (keyof PredictorQuality)[];

const isQuality = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && QUALITY_FIELDS.every((field) => isNumber(Reflect.get(value, field)));

/** What each field of the card must be. */
const CARD_FIELDS = {
  schema: (value) => value === 1,
  spaceId: isText,
  weightsSha256: isText,
  encoding: (value) => value === ENCODING,
  features: isCount,
  resolutions: isAscending,
  trainedOn: isCount,
  labelImages: isCount,
  seed: Number.isSafeInteger,
  mean: isNumber,
  std: isNumber,
  quality: isQuality,
  absoluteResiduals: isAscending,
  tensorsSha256: isText,
} as const satisfies Record<keyof PredictorCard, (value: unknown) => boolean>;

/** Reads and checks `predictor.json`. @throws BespokeError `bundle-invalid` naming the field */
function parseCard(bytes: Uint8Array, where: string): PredictorCard {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    refuse(where, `${PREDICTOR_FILES.card} is not JSON`, cause);
  }
  if (typeof value !== 'object' || value === null) refuse(where, `${PREDICTOR_FILES.card} is not a JSON object`);
  for (const [field, isValid] of Object.entries(CARD_FIELDS)) {
    const given: unknown = Reflect.get(value, field);
    if (!isValid(given)) refuse(where, `${PREDICTOR_FILES.card} has ${field} ${JSON.stringify(given) ?? 'missing'}`);
  }
  return value as PredictorCard; // every field was checked above
}

function floatTensor(tensors: ReadonlyMap<string, Tensor>, name: string, where: string): FloatTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) refuse(where, `it has no tensor "${name}"`);
  if (tensor.type !== 'float32') refuse(where, `tensor "${name}" is ${tensor.type}; wanted is float32`);
  return tensor as FloatTensor; // its type was checked
}

/** The layers of one member, until there is no further one; shapes must chain from `features` to 1. */
function readMember(tensors: ReadonlyMap<string, Tensor>, prefix: string, features: number, where: string): Mlp {
  const layers: DenseLayer[] = [];
  let size = features;
  for (let l = 0; tensors.has(`${prefix}.layers.${l}.weight`); l++) {
    const weight = floatTensor(tensors, `${prefix}.layers.${l}.weight`, where);
    const bias = floatTensor(tensors, `${prefix}.layers.${l}.bias`, where);
    const [outSize, inSize] = weight.dims;
    if (weight.dims.length !== 2 || inSize !== size || bias.dims.length !== 1 || bias.dims[0] !== outSize) {
      const shapes = `[${weight.dims.join(', ')}] and [${bias.dims.join(', ')}]`;
      refuse(where, `layer ${l} of "${prefix}" has weight and bias ${shapes}; its input has ${size} values`);
    }
    size = outSize!; // dims has two entries
    layers.push({ weight, bias });
  }
  if (layers.length === 0 || size !== 1) refuse(where, `"${prefix}" ends with ${size} outputs; wanted is 1`);
  return { layers };
}

/**
 * Decodes the two files of a predictor.
 * @param where the folder, for errors
 * @throws BespokeError `bundle-invalid` if a file is damaged or the two do not belong together
 */
export function decodePredictor(bytes: PredictorBytes, where: string): { card: PredictorCard; ensemble: MlpEnsemble } {
  const card = parseCard(bytes.card, where);
  const actual = sha256(bytes.tensors);
  if (actual !== card.tensorsSha256) {
    const { tensors: name } = PREDICTOR_FILES;
    refuse(where, `${name} has the sha256 ${actual}, ${PREDICTOR_FILES.card} names ${card.tensorsSha256}`);
  }
  const { tensors } = decodeSafetensors(bytes.tensors, `${where}/${PREDICTOR_FILES.tensors}`);
  const members: Mlp[] = [];
  while (tensors.has(`members.${members.length}.layers.0.weight`)) {
    members.push(readMember(tensors, `members.${members.length}`, card.features, where));
  }
  if (members.length === 0) refuse(where, 'it has no members');
  return { card, ensemble: { members, mean: card.mean, std: card.std } };
}
