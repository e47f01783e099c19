import { BespokeError } from '../common/errors.js';
import { canonicalJson } from '../common/hash.js';
import { invariant } from '../common/invariant.js';
import { type ElementArrays, type ElementType, sizeOf, type Tensor, tensorFrom } from './tensor.js';

/** The format's name of each element type that this project uses. */
const DTYPES = {
  float32: 'F32',
  float64: 'F64',
  int32: 'I32',
  int64: 'I64',
  uint8: 'U8',
  bool: 'BOOL',
} as const satisfies Record<ElementType, string>;

const ELEMENT_TYPES = new Map<string, ElementType>(
  Object.entries(DTYPES).map(([type, dtype]) => [dtype, type as ElementType]), // keys of DTYPES are the element types
);

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** The file begins with the header's length, an unsigned 64-bit little-endian integer. */
const LENGTH_BYTES = 8;
/** The data begins at a multiple of this, so that every element type can be read in place. */
const ALIGNMENT = 8;
/** The limit of the reference implementation, bytes. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA_KEY = '__metadata__';

export interface SafetensorsFile {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Record<string, string>;
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/**
 * Encodes named tensors as a safetensors file. Names are sorted and the header is padded to a multiple of 8 bytes:
 * equal tensors have equal bytes, whatever order they come in.
 * @param tensors any shapes and element types; the name `__metadata__` is reserved by the format
 * Source: safetensors format, version 0.4
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(byName);
  const header: [string, unknown][] = Object.keys(metadata).length === 0 ? [] : [[METADATA_KEY, metadata]];
  let end = 0;
  for (const [name, tensor] of sorted) {
    invariant(name !== METADATA_KEY, () => `a tensor cannot be named ${METADATA_KEY}`);
    const start = end;
    end += tensor.data.byteLength;
    header.push([name, { dtype: DTYPES[tensor.type], shape: tensor.dims, data_offsets: [start, end] }]);
  }
  const text = new TextEncoder().encode(canonicalJson(Object.fromEntries(header)));
  const headerBytes = Math.ceil(text.length / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(LENGTH_BYTES + headerBytes + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerBytes); // the format pads its JSON with spaces
  file.set(text, LENGTH_BYTES);
  let offset = LENGTH_BYTES + headerBytes;
  for (const [, { data }] of sorted) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return file;
}

function refuse(where: string, detail: string, cause?: unknown): never {
  throw new BespokeError('invalid-request', `${where} is not a readable safetensors file: ${detail}`, {}, cause);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Where a file's header ends and its data begins.
 * @param bytes the file's first 8 bytes, or more
 * @throws BespokeError `invalid-request` if they are fewer, or the header is longer than the format allows
 */
export function safetensorsHeaderEnd(bytes: Uint8Array, where: string): number {
  if (bytes.length < LENGTH_BYTES) refuse(where, `it is truncated: ${bytes.length} bytes, fewer than 8`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    refuse(where, `its header claims ${length} bytes, more than the ${MAX_HEADER_BYTES} that the format allows`);
  }
  return LENGTH_BYTES + Number(length);
}

/** The header's JSON and where the data begins. */
function readHeader(bytes: Uint8Array, where: string): { header: Readonly<Record<string, unknown>>; start: number } {
  const start = safetensorsHeaderEnd(bytes, where);
  if (start > bytes.length) {
    refuse(where, `it is truncated: the header ends at byte ${start}, the file at ${bytes.length}`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(LENGTH_BYTES, start)));
  } catch (cause) {
    refuse(where, 'its header is not JSON', cause);
  }
  if (!isRecord(header)) refuse(where, 'its header is not a JSON object');
  return { header, start };
}

function readMetadata(value: unknown, where: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) refuse(where, `${METADATA_KEY} is not a JSON object`);
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text !== 'string') refuse(where, `${METADATA_KEY} "${key}" is not a string`);
    return [key, text];
  });
  return Object.fromEntries(entries);
}

interface Entry {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** One tensor's header entry, checked by itself. */
function readEntry(name: string, value: unknown, where: string): Entry {
  if (!isRecord(value)) refuse(where, `the entry "${name}" is not a JSON object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const type = typeof dtype === 'string' ? ELEMENT_TYPES.get(dtype) : undefined;
  if (type === undefined) {
    const known = Object.values(DTYPES).join(', ');
    refuse(where, `tensor "${name}" has the dtype ${JSON.stringify(dtype)}; read are ${known}`);
  }
  if (!isCounts(shape)) refuse(where, `tensor "${name}" has the shape ${JSON.stringify(shape)}`);
  const [begin, end] = isCounts(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || begin > end) {
    refuse(where, `tensor "${name}" has the offsets ${JSON.stringify(offsets)}; wanted are [begin, end]`);
  }
  const needed = sizeOf(shape) * ARRAYS[type].BYTES_PER_ELEMENT;
  if (end - begin !== needed) {
    refuse(
      where,
      `tensor "${name}" ${dtype} [${shape.join(', ')}] needs ${needed} bytes, its range has ${end - begin}`,
    );
  }
  return { name, type, dims: shape, begin, end };
}

/** The format wants the ranges to cover the data exactly: no overlap, no gap, nothing beyond the end. */
function checkCoverage(entries: readonly Entry[], dataBytes: number, where: string): void {
  let covered = 0;
  let before = 'the start of the data';
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (end > dataBytes) {
      refuse(where, `tensor "${name}" is out of range: it ends at byte ${end} of the data, which has ${dataBytes}`);
    }
    if (begin < covered) refuse(where, `tensor "${name}" overlaps ${before}: it begins at ${begin}, before ${covered}`);
    if (begin > covered) refuse(where, `bytes ${covered} to ${begin} of the data, before "${name}", are in no tensor`);
    covered = end;
    before = `"${name}"`;
  }
  if (covered !== dataBytes) refuse(where, `the last ${dataBytes - covered} bytes of the data are in no tensor`);
}

/**
 * Names and shapes of a file's tensors, without its data.
 * @param head the file from its start to the header's end at least
 * @param fileBytes how long the whole file is
 * @throws BespokeError `invalid-request` if the header is damaged, or the file is not as long as it says
 */
export function safetensorsShapes(
  head: Uint8Array,
  fileBytes: number,
  where: string,
): ReadonlyMap<string, readonly number[]> {
  const { header, start } = readHeader(head, where);
  const { [METADATA_KEY]: _, ...rest } = header;
  const entries = Object.entries(rest).map(([name, value]) => readEntry(name, value, where));
  checkCoverage(entries, fileBytes - start, where);
  return new Map(entries.map(({ name, dims }) => [name, dims]));
}

function viewOf(type: ElementType, bytes: Uint8Array): ElementArrays[ElementType] {
  const arrayOf = ARRAYS[type];
  const { buffer, byteOffset, length } = bytes;
  if (buffer instanceof ArrayBuffer && byteOffset % arrayOf.BYTES_PER_ELEMENT === 0) {
    return new arrayOf(buffer, byteOffset, length / arrayOf.BYTES_PER_ELEMENT);
  }
  // A copy only where the bytes do not lie on a boundary that the element type can be read from.
  return new arrayOf(new Uint8Array(bytes).buffer);
}

/**
 * Decodes a safetensors file. Tensors are views of `bytes` where alignment allows: do not change the bytes afterwards.
 * @param where what the bytes are, for errors: usually the file's name
 * @returns tensors in the header's order, and the file's metadata (empty if it has none)
 * @throws BespokeError `invalid-request` if the bytes are truncated, ranges overlap, leave gaps or lie outside, or a dtype is not read here
 * Source: safetensors format, version 0.4
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): SafetensorsFile {
  const { header, start } = readHeader(bytes, where);
  const { [METADATA_KEY]: metadata, ...rest } = header;
  const entries = Object.entries(rest).map(([name, value]) => readEntry(name, value, where));
  checkCoverage(entries, bytes.length - start, where);
  const tensors = new Map<string, Tensor>();
  for (const { name, type, dims, begin, end } of entries) {
    tensors.set(name, tensorFrom(type, dims, viewOf(type, bytes.subarray(start + begin, start + end))));
  }
  return { tensors, metadata: readMetadata(metadata, where) };
}
