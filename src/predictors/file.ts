import { sha256 } from '../common/hash.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import type { FloatTensor, Tensor } from '../tensor/tensor.js';
import { CARD_FILE, type CardFacts, ENCODING, type PredictorCard, parseCard, refusePredictor } from './card.js';
import { type DenseLayer, inputSize, type Mlp, type MlpEnsemble } from './mlp-graph.js';

/** The two files of a predictor, in one folder. */
export const PREDICTOR_FILES = { card: CARD_FILE, tensors: 'predictor.safetensors' } as const;

export interface PredictorBytes {
  readonly card: Uint8Array;
  readonly tensors: Uint8Array;
}

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

function floatTensor(tensors: ReadonlyMap<string, Tensor>, name: string, where: string): FloatTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) refusePredictor(where, `it has no tensor "${name}"`);
  if (tensor.type !== 'float32') refusePredictor(where, `tensor "${name}" is ${tensor.type}; wanted is float32`);
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
      refusePredictor(where, `layer ${l} of "${prefix}" has weight and bias ${shapes}; its input has ${size} values`);
    }
    size = outSize!; // dims has two entries
    layers.push({ weight, bias });
  }
  if (layers.length === 0 || size !== 1) refusePredictor(where, `"${prefix}" ends with ${size} outputs; wanted is 1`);
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
    refusePredictor(where, `${name} has the sha256 ${actual}, ${PREDICTOR_FILES.card} names ${card.tensorsSha256}`);
  }
  const { tensors } = decodeSafetensors(bytes.tensors, `${where}/${PREDICTOR_FILES.tensors}`);
  const members: Mlp[] = [];
  while (tensors.has(`members.${members.length}.layers.0.weight`)) {
    members.push(readMember(tensors, `members.${members.length}`, card.features, where));
  }
  if (members.length === 0) refusePredictor(where, 'it has no members');
  return { card, ensemble: { members, mean: card.mean, std: card.std } };
}
