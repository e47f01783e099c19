import { openArchive } from './archive.js';
import { ByteReader } from './byte-reader.js';
import { openLegacy } from './legacy.js';
import { refuseFile, type TorchFile } from './values.js';

const PICKLE_PROTOCOL = 0x80;
/** Where a tar header has its mark. */
const TAR_MARK_AT = 257;
/** How much of a file is looked at to say what it is instead, bytes. */
const LOOKED_AT = 512;

/** What files that are no PyTorch files often are: how they begin, and what to do. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [
    /^\s*(<!doctype|<html|<\?xml|<head|<body)/i,
    'it is a web page; the download gave an error or login page instead of the file, look at it in a browser',
  ],
  [/^version https:\/\/git-lfs/, 'it is a Git LFS pointer; fetch the file that it stands for with git lfs pull'],
  [/^\x89HDF/, 'it is an HDF5 file; wanted is what torch.save wrote'],
  [/^.{8}\{"/s, 'it looks like a safetensors file; wanted is what torch.save wrote'],
  [/^[\t\n\r\x20-\x7e]+$/, 'it is text; wanted is what torch.save wrote'],
];

function refuseOther(bytes: Uint8Array, where: string): never {
  if (bytes.length === 0) refuseFile(where, 'it is empty');
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) refuseFile(where, 'it is compressed with gzip; unpack it first');
  const start = String.fromCharCode(...bytes.subarray(0, LOOKED_AT));
  const mark = start.slice(TAR_MARK_AT, TAR_MARK_AT + 5);
  if (mark === 'ustar') refuseFile(where, 'it is a tar file; PyTorch before 0.1.10 wrote those, unpack others first');
  const known = OTHERS.find(([pattern]) => pattern.test(start))?.[1];
  return refuseFile(where, known ?? 'it begins with neither of the two marks of files that torch.save writes');
}

/**
 * Opens a file of `torch.save`, executing nothing: names in it stand for a few functions of ours, any other name is refused.
 * @param bytes the whole file; tensors become views of it
 * @param where what the bytes are, for errors: usually the file's name
 * @throws BespokeError `invalid-request` with one sentence: what the file is instead, or where it is damaged
 * Source: PyTorch, torch/serialization.py and caffe2/serialize/inline_container.h
 */
export function openTorchFile(bytes: Uint8Array, where: string): TorchFile {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return openArchive(bytes, where);
  if (bytes[0] === PICKLE_PROTOCOL) return openLegacy(new ByteReader(bytes, where));
  return refuseOther(bytes, where);
}
