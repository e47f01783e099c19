import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const GOLDEN = new URL('../golden/pytorch/', import.meta.url);

/** A file of test/golden/pytorch, as PyTorch wrote it. */
export function torchGolden(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, GOLDEN)));
}

/** A stored zip, by the format's description; `method` other than 0 says, wrongly, that they are compressed. */
export function storedZip(
  members: ReadonlyMap<string, Uint8Array>,
  { method = 0 }: { readonly method?: number } = {},
): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, data] of members) {
    const text = Buffer.from(name);
    const facts = Buffer.alloc(26); // version, flags, method, time, date, crc, sizes, lengths
    facts.writeUInt16LE(method, 4);
    facts.writeUInt32LE(crc32(data), 10);
    facts.writeUInt32LE(data.length, 14);
    facts.writeUInt32LE(data.length, 18);
    facts.writeUInt16LE(text.length, 22);
    const where = Buffer.alloc(14); // comment length, disk, attributes, offset
    where.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\0', 'latin1'), facts, where, text);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), facts, text, data]);
    parts.push(local);
    at += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.size, 8);
  end.writeUInt16LE(members.size, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(at, 16);
  return new Uint8Array(Buffer.concat([...parts, listing, end]));
}

const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Opcodes of a pickle, one after the other; `op` takes them as text and numbers as bytes. */
export function pickle(...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  const bytes = parts.map((part) =>
    typeof part === 'string' ? ascii(part) : typeof part === 'number' ? Buffer.of(part) : Buffer.from(part),
  );
  return new Uint8Array(Buffer.concat([Buffer.of(0x80, 2), ...bytes, ascii('.')]));
}

/** BINUNICODE */
export function textOp(text: string): Uint8Array {
  const body = Buffer.from(text);
  const head = Buffer.alloc(5, 'X');
  head.writeUInt32LE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** BININT, or LONG1 of eight bytes where that is too small. */
function intOp(value: number): Uint8Array {
  if (value >= -(2 ** 31) && value < 2 ** 31) {
    const head = Buffer.alloc(5, 'J');
    head.writeInt32LE(value, 1);
    return head;
  }
  const long = Buffer.alloc(10);
  long.writeUInt8(0x8a, 0);
  long.writeUInt8(8, 1);
  long.writeBigInt64LE(BigInt(value), 2);
  return long;
}

export interface HandMadeTensor {
  readonly dims: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
  /** Elements that the storage is said to have. */
  readonly count?: number;
  readonly storageClass?: string;
}

/** Opcodes of `_rebuild_tensor_v2` on storage `key`. */
export function tensorOps(tensor: HandMadeTensor, key = '0'): Uint8Array {
  const { dims, strides, offset = 0, count = 4, storageClass = 'FloatStorage' } = tensor;
  const tupleOf = (values: readonly number[]): Uint8Array =>
    Buffer.concat([ascii('('), ...values.map(intOp), ascii('t')]);
  return Buffer.concat([
    ascii('ctorch._utils\n_rebuild_tensor_v2\n(('),
    textOp('storage'),
    ascii(`ctorch\n${storageClass}\n`),
    textOp(key),
    textOp('cpu'),
    intOp(count),
    ascii('tQ'),
    intOp(offset),
    tupleOf(dims),
    tupleOf(strides),
    Buffer.of(0x89), // requires_grad
    ascii('ccollections\nOrderedDict\n)RtR'),
  ]);
}

/** A zip of `torch.save` with the one tensor `weight` on a storage of four floats. */
export function handMadeFile(tensor: HandMadeTensor, storage = new Float32Array([1, 2, 3, 4])): Uint8Array {
  const bytes = pickle('}', textOp('weight'), tensorOps(tensor), 's');
  return storedZip(
    new Map([
      ['archive/data.pkl', bytes],
      ['archive/data/0', new Uint8Array(storage.buffer)],
    ]),
  );
}
