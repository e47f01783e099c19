import type { PickleRules } from './pickle.js';
import {
  describe,
  type PickleDict,
  type PickleValue,
  quoted,
  refuseFile,
  type StorageRef,
  type StorageType,
  type TensorRef,
} from './values.js';

/** PyTorch's names of the storage classes. */
const STORAGE_CLASSES: ReadonlyMap<string, StorageType> = new Map([
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.DoubleStorage', 'float64'],
  ['torch.LongStorage', 'int64'],
  ['torch.IntStorage', 'int32'],
  ['torch.ShortStorage', 'int16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.BoolStorage', 'bool'],
]);

/** More dims than any weight has. */
const MAX_RANK = 8;

/** What a call of an allowed name gives; `refuse` names the call. */
type Rebuild = (args: readonly PickleValue[], refuse: (detail: string) => never) => PickleValue;

function isKind<K extends 'tuple' | 'list' | 'storage' | 'tensor'>(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<PickleValue, { readonly kind: K }> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && value.kind === kind;
}

const isCount = (value: PickleValue | undefined): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function readCounts(value: PickleValue | undefined, what: string, refuse: (detail: string) => never): number[] {
  if (!isKind(value, 'tuple')) return refuse(`${what} is ${describe(value)}; wanted is a tuple`);
  if (value.items.length > MAX_RANK) refuse(`${what} has ${value.items.length} entries, more than ${MAX_RANK}`);
  return value.items.map((item) =>
    isCount(item) ? item : refuse(`${what} has the entry ${describe(item)}; wanted are whole numbers of at least 0`),
  );
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks[, metadata])`; the older one ends with `stride`. */
function rebuildTensor(args: readonly PickleValue[], refuse: (detail: string) => never): TensorRef {
  const [storage, offset, size, stride] = args;
  if (!isKind(storage, 'storage')) return refuse(`its storage is ${describe(storage)}`);
  if (!isCount(offset)) return refuse(`its offset is ${describe(offset)}; wanted is a whole number of at least 0`);
  const dims = readCounts(size, 'its size', refuse);
  const strides = readCounts(stride, 'its stride', refuse);
  if (dims.length !== strides.length) refuse(`it has ${dims.length} sizes and ${strides.length} strides`);
  return { kind: 'tensor', storage, offset, dims, strides };
}

/** `OrderedDict()` or, by Python 2, `OrderedDict([[key, value], ...])`. */
function rebuildDict(args: readonly PickleValue[], refuse: (detail: string) => never): PickleDict {
  const entries = new Map<PickleValue, PickleValue>();
  const [items] = args;
  if (items === undefined) return { kind: 'dict', entries };
  if (!isKind(items, 'list') || args.length > 1) return refuse(`its argument is ${describe(items)}`);
  for (const item of items.items) {
    const [key, value] = isKind(item, 'list') || isKind(item, 'tuple') ? item.items : [];
    if (key === undefined || value === undefined || typeof key === 'object') return refuse('an item is no pair');
    entries.set(key, value);
  }
  return { kind: 'dict', entries };
}

/** Everything that a call may be of: the whole allow-list beside the storage classes, which are only ever named. */
const CALLS: ReadonlyMap<string, Rebuild> = new Map<string, Rebuild>([
  ['collections.OrderedDict', rebuildDict],
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  [
    'torch._utils._rebuild_parameter',
    ([data], refuse) => (isKind(data, 'tensor') ? data : refuse(`its data is ${describe(data)}`)),
  ],
  ['torch.Size', ([dims], refuse) => (isKind(dims, 'tuple') ? dims : refuse(`its argument is ${describe(dims)}`))],
]);

/** The storages that a pickle names, by key, as it is read. */
export type StorageTable = Map<string, StorageRef>;

/** `('storage', class, key, location, count[, view])`; where it lay (CPU or a GPU) does not matter. */
function readStorage(id: PickleValue, storages: StorageTable, where: string): StorageRef {
  const items = isKind(id, 'tuple') ? id.items : [];
  const [tag, type, key, , count, view = null] = items;
  const name = typeof type === 'object' && type !== null && 'kind' in type && type.kind === 'global' ? type.name : '';
  const element = STORAGE_CLASSES.get(name);
  if (tag !== 'storage' || element === undefined || typeof key !== 'string' || !isCount(count)) {
    return refuseFile(
      where,
      `it refers to ${items.length > 0 ? `${describe(tag)} of ${describe(type)}` : describe(id)} where a storage is due`,
    );
  }
  if (view !== null) refuseFile(where, `storage ${quoted(key)} is a view of another, as PyTorch before 0.4 wrote`);
  const known = storages.get(key);
  if (known !== undefined && (known.type !== element || known.count !== count)) {
    refuseFile(
      where,
      `storage ${quoted(key)} is ${known.count} x ${known.type} in one place, ${count} x ${element} in another`,
    );
  }
  const storage = known ?? { kind: 'storage', type: element, key, count };
  storages.set(key, storage);
  return storage;
}

/**
 * The rules of PyTorch's files: an allow-list of names, each with a function of ours for what a call of it means.
 * @param storages filled with every storage that is referred to
 * @throws (when reading) BespokeError `invalid-request` for any other name, without looking at what it is
 */
export function torchRules(storages: StorageTable, where: string): PickleRules {
  return {
    global: (module, name) => {
      const full = `${module}.${name}`;
      if (CALLS.has(full) || STORAGE_CLASSES.has(full)) return { kind: 'global', name: full };
      return refuseFile(
        where,
        `it refers to ${quoted(full)}, which no file of tensors needs, and was not read further; ` +
          "if you trust it, save its tensors alone with PyTorch: torch.save({'state_dict': model.state_dict()}, FILE)",
      );
    },
    call: (callee, args) => {
      const name = typeof callee === 'object' && callee !== null && 'name' in callee ? callee.name : '';
      const rebuild = CALLS.get(name);
      if (rebuild === undefined) return refuseFile(where, `it calls ${describe(callee)}, which cannot be called`);
      return rebuild(args, (detail) => refuseFile(where, `in a call of ${name}, ${detail}`));
    },
    persistent: (id) => readStorage(id, storages, where),
  };
}

/** The rules of the short pickles around the tensors: no names, no calls, no storages. */
export function plainRules(where: string): PickleRules {
  const refuse = (): never => refuseFile(where, 'its header refers to objects where there are only numbers and texts');
  return { global: refuse, call: refuse, persistent: refuse };
}
