import { BespokeError } from '../../src/common/errors.js';
import { makeRng, type Rng } from '../../src/common/rng.js';
import { decodeStateDict } from '../../src/tensor/pytorch/state-dict.js';
import { openStoredZip } from '../../src/tensor/pytorch/zip.js';
import { storedZip, torchGolden } from './torch-files.js';

/** Small files of PyTorch that mutations start from. */
const FUZZ_SEEDS = [
  'plain-zip-2.pth',
  'plain-zip-4.pth',
  'plain-legacy-2.pth',
  'plain-legacy-4.pth',
  'views-zip.pth',
  'views-legacy.pth',
  'kinds-zip.pth',
  'kinds-legacy.pth',
  'training-zip.pth',
  'training-legacy.pth',
  'model-zip.pth',
  'evil-system-zip.pth',
  'evil-system-legacy.pth',
] as const;

/** Every opcode of pickle's protocols 0 to 5. Source: CPython, Lib/pickletools.py */
const OPCODES = [
  ...'(.012FIJKLMNPQRSTUVXGabcdeghijlopqrstu}]) BC'.split('').map((char) => char.charCodeAt(0)),
  ...Array.from({ length: 0x99 - 0x80 }, (_, i) => 0x80 + i),
];
/** Numbers at which sizes go wrong. */
const EDGES = [0, 1, 2, 3, 4, 5, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

type Mutation = (bytes: Uint8Array, rng: Rng, other: Uint8Array) => Uint8Array;

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

function change(bytes: Uint8Array, work: (copy: Uint8Array, at: number) => void, rng: Rng): Uint8Array {
  const copy = new Uint8Array(bytes);
  for (let times = 1 + rng.int(4); times > 0 && copy.length > 0; times--) work(copy, rng.int(copy.length));
  return copy;
}

function range(bytes: Uint8Array, rng: Rng, most = 64): [number, number] {
  const start = rng.int(bytes.length + 1);
  return [start, Math.min(bytes.length, start + rng.int(most))];
}

/** The next operand of BININT1: sizes, strides and offsets of small files are such. */
function changeSmallNumber(copy: Uint8Array, from: number, rng: Rng): void {
  const at = copy.indexOf(0x4b, from);
  if (at >= 0 && at + 1 < copy.length) copy[at + 1] = rng.chance(0.7) ? rng.int(8) : rng.int(256);
}

const MUTATIONS: readonly Mutation[] = [
  (bytes, rng) => change(bytes, (copy, at) => copy.set([copy[at]! ^ (1 << rng.int(8))], at), rng),
  (bytes, rng) => change(bytes, (copy, at) => copy.set([rng.int(256)], at), rng),
  (bytes, rng) => change(bytes, (copy, at) => copy.set([rng.pick(OPCODES)], at), rng),
  (bytes, rng) =>
    change(
      bytes,
      (copy, at) => {
        if (at + 4 <= copy.length) new DataView(copy.buffer).setUint32(at, rng.pick(EDGES), true);
      },
      rng,
    ),
  (bytes, rng) => change(bytes, (copy, at) => changeSmallNumber(copy, at, rng), rng),
  (bytes, rng) => bytes.slice(0, rng.int(bytes.length + 1)),
  (bytes, rng) => {
    const [start, end] = range(bytes, rng);
    return joined(bytes.subarray(0, start), bytes.subarray(end));
  },
  (bytes, rng) => {
    const [start, end] = range(bytes, rng);
    return joined(bytes.subarray(0, end), bytes.subarray(start));
  },
  (bytes, rng) => {
    const at = rng.int(bytes.length + 1);
    const inserted = Uint8Array.from({ length: 1 + rng.int(16) }, () => rng.pick(OPCODES));
    return joined(bytes.subarray(0, at), inserted, bytes.subarray(at));
  },
  (bytes, rng, other) => {
    const [start, end] = range(other, rng, 256);
    const at = rng.int(bytes.length + 1);
    return joined(
      bytes.subarray(0, at),
      other.subarray(start, end),
      bytes.subarray(rng.chance(0.5) ? at : Math.min(bytes.length, at + end - start)),
    );
  },
];

/** Mutates one member of a zip and packs it again with a right checksum, so that what lies behind the checksum is reached. */
function mutateMember(zip: Uint8Array, rng: Rng, other: Uint8Array): Uint8Array {
  const open = openStoredZip(zip, 'seed');
  const target = rng.chance(0.8)
    ? open.names.findIndex((name) => name.endsWith('data.pkl'))
    : rng.int(open.names.length);
  const members = open.names.map((name, i): [string, Uint8Array] => {
    const bytes = open.read(name) ?? new Uint8Array(0);
    return [name, i === target ? rng.pick(MUTATIONS)(bytes, rng, other) : bytes];
  });
  return storedZip(new Map(members));
}

const seeds = FUZZ_SEEDS.map(torchGolden);

/** The `index`-th mutated file of a seed. */
export function mutatedFile(seed: number, index: number): Uint8Array {
  const rng = makeRng(seed).fork(index);
  const bytes = rng.pick(seeds);
  const other = rng.pick(seeds);
  const isZip = bytes[0] === 0x50;
  return isZip && rng.chance(0.7) ? mutateMember(bytes, rng, other) : rng.pick(MUTATIONS)(bytes, rng, other);
}

/** Bytes that a file's tensors may have in all: eight for each of as many elements as it has bytes, and of a million. */
const boundOf = (fileBytes: number): number => 8 * (fileBytes + 1_000_000);

/**
 * Reads a mutated file.
 * @returns `read` or `refused`; throws whatever else happens, which is a fault of the reader
 */
export function readMutated(bytes: Uint8Array): 'read' | 'refused' {
  try {
    const { tensors } = decodeStateDict(bytes, 'mutated.pth');
    let total = 0;
    for (const { data } of tensors.values()) total += data.byteLength;
    if (total > boundOf(bytes.length)) throw new Error(`${total} bytes of tensors from a file of ${bytes.length}`);
    return 'read';
  } catch (error) {
    if (error instanceof BespokeError && error.code === 'invalid-request') return 'refused';
    throw error;
  }
}
