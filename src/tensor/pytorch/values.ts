import { BespokeError } from '../../common/errors.js';

/** PyTorch's storage classes that are known by size, so that a file with them can be gone through: bytes per element. */
export const STORAGE_TYPES = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
} as const;
export type StorageType = keyof typeof STORAGE_TYPES;

/** A named object of the allow-list; nothing is imported, the name is all there is. */
export interface PickleGlobal {
  readonly kind: 'global';
  readonly name: string;
}
export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}
/** Filled while the pickle is read. */
export interface PickleList {
  readonly kind: 'list';
  readonly items: PickleValue[];
}
/** A `dict` or an `OrderedDict`; filled while the pickle is read. */
export interface PickleDict {
  readonly kind: 'dict';
  readonly entries: Map<PickleValue, PickleValue>;
}
/** A run of elements that lies elsewhere in the file. */
export interface StorageRef {
  readonly kind: 'storage';
  readonly type: StorageType;
  readonly key: string;
  /** Elements that it is said to have. */
  readonly count: number;
}
/** A view of a storage: element (i, j, ...) is at `offset + i * strides[0] + j * strides[1] + ...`; nothing of it is checked yet. */
export interface TensorRef {
  readonly kind: 'tensor';
  readonly storage: StorageRef;
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** Everything that a pickle can be read as here: data alone. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleGlobal
  | PickleTuple
  | PickleList
  | PickleDict
  | StorageRef
  | TensorRef;

/** Which of PyTorch's containers a file is: the zip of 1.6 and later, or the stream of pickles before. */
export type TorchFormat = 'zip' | 'legacy';

/** A file of `torch.save`, read as data. */
export interface TorchFile {
  readonly where: string;
  readonly format: TorchFormat;
  /** What was saved. */
  readonly root: PickleValue;
  /** The bytes of a storage, exactly as many as its elements need. @throws BespokeError `invalid-request` if they are not there */
  readonly storageBytes: (storage: StorageRef) => Uint8Array;
}

/** What a value is, for error sentences. */
export function describe(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (value instanceof Uint8Array) return 'bytes';
  if (typeof value === 'object') return value.kind === 'global' ? `the name ${value.name}` : `a ${value.kind}`;
  if (typeof value === 'string') return quoted(value);
  return `the ${typeof value === 'boolean' ? 'boolean' : 'number'} ${value}`;
}

/** Longest name that a sentence repeats, characters. */
const SHOWN_CHARACTERS = 100;

/** A name out of a file, safe to print: control characters escaped, cut where it is long. */
export function quoted(name: string): string {
  const shown = name.length > SHOWN_CHARACTERS ? `${name.slice(0, SHOWN_CHARACTERS)}...` : name;
  return JSON.stringify(shown);
}

/** Refuses a file with one sentence. @throws BespokeError `invalid-request`, always */
export function refuseFile(where: string, detail: string, cause?: unknown): never {
  throw new BespokeError('invalid-request', `${where} cannot be read as a PyTorch file: ${detail}`, {}, cause);
}
