import { existsSync, readFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { sha256 } from '../../src/common/hash.js';
import { parseArch } from '../../src/space/reference-spelling.js';
import type { Arch, SearchSpace } from '../../src/space/types.js';
import { plainName, publishedNames } from '../../src/supernet/checkpoint-names.js';
import { importCheckpoint } from '../../src/supernet/import-checkpoint.js';
import type { Subnet, Supernet } from '../../src/supernet/types.js';
import { decodeStateDict } from '../../src/tensor/pytorch/state-dict.js';
import { type FloatTensor, floats, sizeOf } from '../../src/tensor/tensor.js';
import { MBV3_W10, PROXYLESS, smallResNet } from '../unit/space/published-spaces.js';

/** Where the reference data lies, which is no part of this repository; tests that need it are skipped without it. */
export const REFERENCE = process.env.BESPOKE_REFERENCE ?? '../shared/reference';

/** Whether a file or folder of the reference data is there. */
export function hasReference(path: string): boolean {
  return existsSync(`${REFERENCE}/${path}`);
}

/** The bytes of a file of the reference data. */
function referenceBytes(path: string): Uint8Array {
  return readFileSync(`${REFERENCE}/${path}`);
}

/** A text file of the reference data. */
export function referenceText(path: string): string {
  return readFileSync(`${REFERENCE}/${path}`, 'utf8');
}

/** A JSON file of the reference data; its form is told in the README there. */
export function referenceJson(path: string): unknown {
  return JSON.parse(referenceText(path));
}

/** A float32 array in numpy's format 1.0, row-major and little-endian as all of the reference data. */
function decodeNpy(bytes: Uint8Array): FloatTensor {
  const headerEnd = 10 + new DataView(bytes.buffer, bytes.byteOffset).getUint16(8, true);
  const header = new TextDecoder('latin1').decode(bytes.subarray(10, headerEnd));
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (!header.includes("'<f4'") || !header.includes("'fortran_order': False") || shape === undefined) {
    throw new Error(`not the arrays that are read here: ${header}`);
  }
  const dims = shape.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]));
  const length = sizeOf(dims);
  const data = new Float32Array(new Uint8Array(bytes.subarray(headerEnd, headerEnd + 4 * length)).buffer); // a copy: aligned
  return floats(dims, data);
}

/** A float32 `.npy` file of the reference data. */
export function referenceArray(path: string): FloatTensor {
  return decodeNpy(referenceBytes(path));
}

/** Every float32 array of a `.npz` file (a zip), by name. */
export function referenceArrays(path: string): Map<string, FloatTensor> {
  const bytes = referenceBytes(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<string, FloatTensor>();
  let end = bytes.length - 22;
  while (view.getUint32(end, true) !== 0x06054b50) end--; // the end record, behind which a comment may stand
  let entry = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    const method = view.getUint16(entry + 10, true);
    const size = view.getUint32(entry + 20, true);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((at) => view.getUint16(entry + at, true)) as [
      number,
      number,
      number,
    ];
    const name = new TextDecoder().decode(bytes.subarray(entry + 46, entry + 46 + nameLength));
    const local = view.getUint32(entry + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const stored = bytes.subarray(start, start + size);
    if (!name.includes('num_batches')) {
      found.set(name.replace(/\.npy$/, ''), decodeNpy(method === 0 ? stored : inflateRawSync(stored)));
    }
    entry += 46 + nameLength + extraLength + commentLength;
  }
  return found;
}

/** A supernet of the reference data: a folder there, and its space here. */
export interface ReferenceNet {
  readonly folder: string;
  readonly space: SearchSpace;
}

/** The supernets that the reference data has weights of. */
export const REFERENCE_NETS: readonly ReferenceNet[] = [
  { folder: 'mbv3_w1.0', space: MBV3_W10 },
  { folder: 'proxyless_w1.3', space: PROXYLESS },
  { folder: 'resnet50_small', space: smallResNet() },
];

/** One of its supernets, imported as a user's would be. */
export function referenceSupernet({ folder, space }: ReferenceNet): Supernet {
  const where = `${folder}/supernet.pth`;
  const bytes = referenceBytes(where);
  const tensors = importCheckpoint(space, decodeStateDict(bytes, where).tensors, { where });
  return { space, tensors, sha256: sha256(bytes) };
}

/** The architectures of a folder by name, in order. */
export function referenceArchs({ folder, space }: ReferenceNet): Map<string, Arch> {
  const archs = referenceJson(`${folder}/archs.json`) as { readonly name: string }[];
  return new Map(archs.map((arch) => [arch.name, parseArch(space, arch)]));
}

/**
 * The names that the published code gives to an extracted sub-network's tensors, by ours: blocks and stem are numbered anew, without
 * those that are not there; wrappers are left out as `plainName` does.
 */
export function extractedNames({ space, layers, tensors }: Subnet): Map<string, string> {
  const all = publishedNames(space);
  const numbers = new Map<string, number>();
  const counts = new Map<string, number>();
  const renumbered = (_: string, part: string, old: string): string => {
    const key = `${part}.${old}`;
    const number = numbers.get(key) ?? counts.get(part) ?? 0;
    if (!numbers.has(key)) counts.set(part, number + 1);
    numbers.set(key, number);
    return `${part}.${number}`;
  };
  const names = new Map<string, string>();
  for (const { name } of layers) {
    for (const key of tensors.keys()) {
      if (!key.startsWith(`${name}.`) || names.has(key)) continue;
      names.set(key, plainName(all.get(key) ?? '').replace(/^(blocks|input_stem)\.(\d+)/, renumbered));
    }
  }
  return names;
}

/** max |a - b| / max |b|, the measure that the reference data's tolerances are stated in. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} values against ${b.length}`);
  let largest = 0;
  let error = 0;
  for (let i = 0; i < b.length; i++) {
    largest = Math.max(largest, Math.abs(b[i]!));
    error = Math.max(error, Math.abs(a[i]! - b[i]!));
  }
  return error / largest;
}
