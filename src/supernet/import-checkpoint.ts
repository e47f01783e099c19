import { BespokeError } from '../common/errors.js';
import type { SearchSpace } from '../space/types.js';
import { type FloatTensor, floats, sizeOf, type Tensor } from '../tensor/tensor.js';
import { kindOfName, plainName, publishedNames } from './checkpoint-names.js';
import { expectedTensors, optionalTensors } from './expected-tensors.js';
import type { SupernetTensors } from './types.js';

/** The tensors of a checkpoint by the names that its file has. */
export type CheckpointTensors = ReadonlyMap<string, Tensor>;

/** Names that a sentence lists before it counts the rest. */
const SHOWN_NAMES = 5;
/** Counts of training steps, which nothing here needs. */
const STEP_COUNTER = /\.num_batches_tracked$/;
/** What the learned kernel transforms of a supernet end with; an extracted network has none. */
const TRANSFORM = /\d+to\d+_matrix$/;

/** What the older published code calls a block's convolutions; the newer one says `.conv.`. */
const OLDER_BLOCK = '.mobile_inverted_conv.';

/** A tensor that a space asks for. */
interface Wanted {
  /** Our name. */
  readonly key: string;
  /** The published one, for error sentences. */
  readonly published: string;
  readonly dims: readonly number[];
}

/** Everything that a published checkpoint of a space has, by plain name. Its running statistics are part of it. */
function wantedOf(space: SearchSpace): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const names = publishedNames(space);
  for (const [key, dims] of [...expectedTensors(space), ...optionalTensors(space)]) {
    const published = names.get(key) ?? key;
    wanted.set(plainName(published), { key, published, dims });
  }
  return wanted;
}

/** The tensors that matter, by plain name, each with its name in the file. */
type Given = ReadonlyMap<string, { readonly name: string; readonly tensor: Tensor }>;

function givenOf(tensors: CheckpointTensors, where: string): Given {
  const given = new Map<string, { name: string; tensor: Tensor }>();
  for (const [name, tensor] of tensors) {
    if (STEP_COUNTER.test(name)) continue;
    const plain = plainName(name);
    const other = given.get(plain)?.name;
    if (other !== undefined) {
      refuse(where, `it has one tensor twice, as ${quoted(other)} and as ${quoted(name)}`);
    }
    given.set(plain, { name, tensor });
  }
  return given;
}

function refuse(where: string, detail: string): never {
  throw new BespokeError('invalid-request', `${where} cannot be imported: ${detail}`);
}

/** How the published accuracy predictors name their tensors. */
const PREDICTOR = /^(layers\.)?\d+(\.\d+)?\.(weight|bias)$|^base_acc$/;

const quoted = (name: string): string => JSON.stringify(name.slice(0, 120));
const shapeText = (dims: readonly number[]): string => `[${dims.join(', ')}]`;

function listed(items: readonly string[]): string {
  const rest = items.length - SHOWN_NAMES;
  return items.slice(0, SHOWN_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** Linear layers are 1x1 convolutions in part of the published networks: those have two dims of 1 behind. */
function fits(dims: readonly number[], wanted: readonly number[]): boolean {
  const shape = shapeText(dims);
  return shape === shapeText(wanted) || (wanted.length === 2 && shape === shapeText([...wanted, 1, 1]));
}

interface Faults {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshaped: readonly string[];
}

function faultsOf(given: Given, wanted: ReadonlyMap<string, Wanted>): Faults {
  const isOlder = [...given.values()].some(({ name }) => name.includes(OLDER_BLOCK));
  const missing = [...wanted]
    .filter(([plain]) => !given.has(plain))
    .map(([, { published }]) =>
      quoted(isOlder ? published.replace(/^(blocks\.\d+)\.conv\./, `$1${OLDER_BLOCK}`) : published),
    );
  const unexpected = [...given].filter(([plain]) => !wanted.has(plain)).map(([, { name }]) => quoted(name));
  const misshaped = [...given].flatMap(([plain, { name, tensor }]) => {
    const entry = wanted.get(plain);
    if (entry === undefined || fits(tensor.dims, entry.dims)) return [];
    return [`${quoted(name)} is ${shapeText(tensor.dims)}, wanted is ${shapeText(entry.dims)}`];
  });
  return { missing, unexpected, misshaped };
}

const countOf = ({ missing, unexpected, misshaped }: Faults): number =>
  missing.length + unexpected.length + misshaped.length;

/** The faults as a sentence's end: how many of each kind, and the first few by name. */
function wordsOf({ missing, unexpected, misshaped }: Faults): string {
  const words = Object.entries({ missing, unexpected, 'mis-shaped': misshaped }).flatMap(([fault, names]) =>
    names.length === 0 ? [] : `${names.length} ${fault} (${listed(names)})`,
  );
  return words.join('; ');
}

/**
 * Whether tensors look like one sub-network extracted from a supernet of the space: of no other kinds than the supernet's, without
 * kernel transforms where it has some, and with fewer elements.
 */
function looksSpecialized(given: Given, wanted: ReadonlyMap<string, Wanted>): boolean {
  const kinds = new Set([...wanted.keys()].map(kindOfName));
  const lacksTransforms = [...wanted.keys()].some((name) => TRANSFORM.test(name));
  let elements = 0;
  for (const [plain, { tensor }] of given) {
    if (!kinds.has(kindOfName(plain)) || TRANSFORM.test(plain)) return false;
    elements += sizeOf(tensor.dims);
  }
  const all = [...wanted.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  const lacksBlocks = [...wanted.keys()].some((name) => !given.has(name) && !TRANSFORM.test(name));
  return elements < all && (lacksTransforms || lacksBlocks);
}

export interface ImportOptions {
  /** What the tensors are of, for errors: usually the file's name. */
  readonly where: string;
  /** Further spaces, to say which one a file fits. */
  readonly others?: readonly SearchSpace[];
}

function refuseFaults(space: SearchSpace, given: Given, faults: Faults, { where, others = [] }: ImportOptions): never {
  const fitting = others.filter((other) => other.id !== space.id && countOf(faultsOf(given, wantedOf(other))) === 0);
  if (fitting.length > 0) {
    const ids = fitting.map(({ id }) => `"${id}"`).join(', ');
    refuse(where, `it is no supernet of the space "${space.id}"; it fits ${ids}`);
  }
  const specialized = [space, ...others].find((other) => looksSpecialized(given, wantedOf(other)));
  if (specialized !== undefined && given.size > 0) {
    refuse(
      where,
      `it looks like one specialized network, extracted from a supernet such as "${specialized.id}", and not like a supernet: ` +
        `against "${space.id}" ${wordsOf(faults)}`,
    );
  }
  if (given.size > 0 && [...given.values()].every(({ name }) => PREDICTOR.test(name))) {
    refuse(where, 'its tensors are those of an accuracy predictor; `bespoke predictor import` takes it');
  }
  refuse(where, `its tensors are not those of a supernet of the space "${space.id}": ${wordsOf(faults)}`);
}

/**
 * Puts a published checkpoint's tensors into the form of a supernet here: our names, linear layers with two dims, running statistics kept,
 * step counters left out. Names may be those of the older or of the newer published code.
 * @param tensors of the file's state dict, float32
 * @returns tensors for {@link Supernet}, in the file's memory
 * @throws BespokeError `invalid-request`: the first missing, unexpected and mis-shaped tensors by name and how many there are; which other
 * space the file fits; that it is a specialized network; or a weight that is not of floats
 */
export function importCheckpoint(
  space: SearchSpace,
  tensors: CheckpointTensors,
  options: ImportOptions,
): SupernetTensors {
  const given = givenOf(tensors, options.where);
  const wanted = wantedOf(space);
  const faults = faultsOf(given, wanted);
  if (countOf(faults) > 0) refuseFaults(space, given, faults, options);
  const result = new Map<string, FloatTensor>();
  for (const [plain, { key, dims }] of wanted) {
    const { name, tensor } = given.get(plain)!; // no fault: it is there
    if (!(tensor.data instanceof Float32Array)) {
      return refuse(options.where, `its tensor ${quoted(name)} is ${tensor.type}; wanted are floats`);
    }
    result.set(key, floats(dims, tensor.data));
  }
  return result;
}
