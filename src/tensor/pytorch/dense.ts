import { sizeOf, type Tensor, tensorFrom } from '../tensor.js';
import { widenBfloat16, widenFloat16 } from './halves.js';
import { quoted, refuseFile, STORAGE_TYPES, type StorageRef, type TensorRef } from './values.js';

/** What tensors of a file are read as: weights, and counters such as `num_batches_tracked`. */
export type ReadTensor = Tensor<'float32'> | Tensor<'int64'>;

/** The element types that are read, each with the array that holds it in the file. */
const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
} as const;
type ReadableType = keyof typeof ARRAYS;
type Elements = Float32Array | Uint16Array | BigInt64Array;

const isReadable = (type: string): type is ReadableType => type in ARRAYS;

/** Elements that tensors may have beside one for each byte of the file: small files may well repeat themselves. */
const FREE_ELEMENTS = 1_000_000;

/** Elements that a file's tensors may still have in all, however often they share storage; counts down. */
export interface ElementBudget {
  left: number;
}

/** A file cannot ask for more memory than a few times its own size. */
export function elementBudget(fileBytes: number): ElementBudget {
  return { left: fileBytes + FREE_ELEMENTS };
}

/** Checks that every element of a view lies in its storage, and that there are not more of them than the budget has. */
function checkView(
  { storage, offset, dims, strides }: TensorRef,
  budget: ElementBudget,
  refuse: (d: string) => never,
): void {
  const shape = `[${dims.join(', ')}]`;
  let count = dims.includes(0) ? 0 : 1;
  let last = offset;
  for (const [i, dim] of dims.entries()) {
    count *= dim;
    if (count > budget.left) refuse(`has the size ${shape}, more elements than a file of this length can have`);
    last += Math.max(0, dim - 1) * strides[i]!;
  }
  if (count > 0 && !(last < storage.count)) {
    refuse(
      `of size ${shape}, stride [${strides.join(', ')}] and offset ${offset} reaches element ${last} of a storage of ${storage.count}`,
    );
  }
  budget.left -= count;
}

/** Row-major without gaps: the elements lie in the tensor's own order. */
function isContiguous({ dims, strides }: TensorRef): boolean {
  let expected = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    if (dims[i] !== 1 && strides[i] !== expected) return false;
    expected *= dims[i]!;
  }
  return true;
}

/** A storage's elements: a view of the file where they lie on a boundary that the type can be read from. */
function elementsOf(type: ReadableType, bytes: Uint8Array): Elements {
  const array = ARRAYS[type];
  const { buffer, byteOffset, length } = bytes;
  if (buffer instanceof ArrayBuffer && byteOffset % array.BYTES_PER_ELEMENT === 0) {
    return new array(buffer, byteOffset, length / array.BYTES_PER_ELEMENT);
  }
  return new array(new Uint8Array(bytes).buffer);
}

/** Copies a view's elements into row-major order, the last dim fastest. */
function gather<T extends Elements>(from: T, out: T, { offset, dims, strides }: TensorRef): T {
  const at = new Array<number>(dims.length).fill(0);
  let source = offset;
  for (let i = 0; i < out.length; i++) {
    out[i] = from[source]!;
    for (let d = dims.length - 1; d >= 0; d--) {
      source += strides[d]!;
      at[d] = at[d]! + 1;
      if (at[d]! < dims[d]!) break;
      source -= dims[d]! * strides[d]!;
      at[d] = 0;
    }
  }
  return out;
}

function rowMajor(type: ReadableType, bytes: Uint8Array, view: TensorRef): Elements {
  const size = sizeOf(view.dims);
  const elementBytes = STORAGE_TYPES[type];
  if (size === 0) return new ARRAYS[type](0);
  if (isContiguous(view)) {
    return elementsOf(type, bytes.subarray(view.offset * elementBytes, (view.offset + size) * elementBytes));
  }
  const all = elementsOf(type, bytes);
  if (all instanceof Float32Array) return gather(all, new Float32Array(size), view);
  if (all instanceof Uint16Array) return gather(all, new Uint16Array(size), view);
  return gather(all, new BigInt64Array(size), view);
}

/**
 * A tensor of a file as a dense row-major one; 16-bit floats are widened, exactly.
 * @param storageBytes the bytes of a storage, as many as its elements need
 * @param budget how many elements may still be read; less afterwards
 * @returns float32 or int64; a view of the file where that is possible
 * @throws BespokeError `invalid-request` naming the tensor: another element type, a view beyond its storage, too many elements
 */
export function denseTensor(
  name: string,
  view: TensorRef,
  file: { readonly where: string; readonly storageBytes: (storage: StorageRef) => Uint8Array },
  budget: ElementBudget,
): ReadTensor {
  const refuse = (detail: string): never => refuseFile(file.where, `its tensor ${quoted(name)} ${detail}`);
  const { type } = view.storage;
  if (!isReadable(type)) return refuse(`is ${type}; read are ${Object.keys(ARRAYS).join(', ')}`);
  checkView(view, budget, refuse);
  const data = rowMajor(type, file.storageBytes(view.storage), view);
  if (data instanceof BigInt64Array) return tensorFrom('int64', view.dims, data);
  if (data instanceof Float32Array) return tensorFrom('float32', view.dims, data);
  return tensorFrom('float32', view.dims, type === 'float16' ? widenFloat16(data) : widenBfloat16(data));
}
