import type { ByteReader } from './byte-reader.js';
import { readPickle } from './pickle.js';
import { plainRules, type StorageTable, torchRules } from './rebuild.js';
import { describe, type PickleValue, quoted, refuseFile, STORAGE_TYPES, type TorchFile } from './values.js';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;

function isLittleEndian(info: PickleValue): boolean {
  if (typeof info !== 'object' || info === null || info instanceof Uint8Array || info.kind !== 'dict') return false;
  return info.entries.get('little_endian') === true;
}

/** The keys of the storages in the order of their bytes. */
function storageOrder(value: PickleValue, storages: StorageTable, where: string): string[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value.kind !== 'list') {
    return refuseFile(where, `its list of storages is ${describe(value)}`);
  }
  const keys = value.items.map((key) => {
    if (typeof key === 'string' && storages.has(key)) return key;
    return refuseFile(where, `it lists the storage ${describe(key)}, which no tensor has`);
  });
  if (new Set(keys).size !== keys.length || keys.length !== storages.size) {
    refuseFile(where, `it lists ${keys.length} storages, its tensors have ${storages.size}`);
  }
  return keys;
}

/** The storages' bytes: for each its count of elements and then these. */
function readStorages(input: ByteReader, storages: StorageTable, keys: readonly string[]): Map<string, Uint8Array> {
  const bytes = new Map<string, Uint8Array>();
  for (const key of keys) {
    const { count, type } = storages.get(key)!; // storageOrder looked it up
    const stated = input.uint64();
    if (stated !== count) {
      refuseFile(input.where, `storage ${quoted(key)} has ${stated} elements where its tensors say ${count}`);
    }
    bytes.set(key, input.take(count * STORAGE_TYPES[type]));
  }
  return bytes;
}

/** Opens the container of PyTorch before 1.6: four pickles after each other, a fifth with the storages' keys, and their bytes. */
export function openLegacy(input: ByteReader): TorchFile {
  const { where } = input;
  const plain = plainRules(where);
  if (readPickle(input, plain) !== MAGIC) {
    refuseFile(where, 'it is a pickle, but not one that torch.save wrote');
  }
  const version = readPickle(input, plain);
  if (version !== PROTOCOL_VERSION)
    refuseFile(where, `its version is ${describe(version)}; read is ${PROTOCOL_VERSION}`);
  if (!isLittleEndian(readPickle(input, plain))) {
    refuseFile(where, 'its numbers are not said to be little-endian; read are little-endian ones');
  }
  const storages: StorageTable = new Map();
  const root = readPickle(input, torchRules(storages, where));
  const keys = storageOrder(readPickle(input, plain), storages, where);
  const bytes = readStorages(input, storages, keys);
  return { where, format: 'legacy', root, storageBytes: ({ key }) => bytes.get(key)! }; // every storage of the table was read
}
