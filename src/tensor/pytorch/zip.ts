import { ByteReader } from './byte-reader.js';
import { crc32 } from './crc32.js';
import { quoted, refuseFile } from './values.js';

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const LOCAL_SIGNATURE = 0x04034b50;
/** Bytes of the end record without its comment, and the longest comment. */
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 65_535;
/** Bytes of a local header without name and extra field. */
const LOCAL_BYTES = 30;
/** A count or size of this value says that the true one is in a zip64 record: more than this reader takes. */
const SATURATED_COUNT = 0xffff;
const SATURATED_SIZE = 0xffffffff;
const ENCRYPTED = 1;
const STORED = 0;

interface Entry {
  readonly name: string;
  readonly crc: number;
  readonly size: number;
  /** Of its local header. */
  readonly offset: number;
}

/** The members of a zip file whose members are stored, as PyTorch writes them. */
export interface StoredZip {
  readonly names: readonly string[];
  /**
   * The bytes of a member as a view, or undefined if there is none of that name.
   * @throws BespokeError `invalid-request` if they are not what the file's own checksum says
   */
  read(name: string): Uint8Array | undefined;
}

/** Where the end record begins: the last place whose comment reaches exactly to the end. */
function findEnd(bytes: Uint8Array, where: string): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = Math.max(0, bytes.length - END_BYTES - MAX_COMMENT_BYTES);
  for (let at = bytes.length - END_BYTES; at >= first; at--) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue;
    if (at + END_BYTES + view.getUint16(at + END_BYTES - 2, true) === bytes.length) return at;
  }
  return refuseFile(
    where,
    `it begins as a zip file but its table of contents, which stands at the end, is missing; the download is incomplete or damaged (${bytes.length} bytes are there)`,
  );
}

function readEntry(reader: ByteReader, where: string): Entry {
  if (reader.uint32() !== ENTRY_SIGNATURE) refuseFile(where, "its zip's table of contents is damaged");
  reader.take(4); // versions
  const flags = reader.uint16();
  const method = reader.uint16();
  reader.take(4); // time and date
  const [crc, stored, size] = [reader.uint32(), reader.uint32(), reader.uint32()];
  const [nameBytes, extraBytes, commentBytes] = [reader.uint16(), reader.uint16(), reader.uint16()];
  reader.take(8); // disk number, attributes
  const offset = reader.uint32();
  const name = reader.text(nameBytes);
  reader.take(extraBytes + commentBytes);
  const is = (what: string): never => refuseFile(where, `its member ${quoted(name)} is ${what}`);
  if ((flags & ENCRYPTED) !== 0) is('encrypted');
  if (method !== STORED || stored !== size) is('compressed, which PyTorch does not do; was the file packed again?');
  if (size === SATURATED_SIZE || offset === SATURATED_SIZE) is('too large: read are files up to 4 GB');
  return { name, crc, size, offset };
}

/** The bytes of a member; local header, name and extra field come first. */
function memberBytes(bytes: Uint8Array, { name, size, offset }: Entry, end: number, where: string): Uint8Array {
  const reader = new ByteReader(bytes.subarray(0, end), where, Math.min(offset, end));
  if (reader.uint32() !== LOCAL_SIGNATURE) refuseFile(where, `its member ${quoted(name)} is not where it should be`);
  reader.take(LOCAL_BYTES - 4 - 4);
  const [nameBytes, extraBytes] = [reader.uint16(), reader.uint16()];
  reader.take(nameBytes + extraBytes);
  return reader.take(size);
}

/**
 * Reads a zip file's table of contents. Nothing is unpacked: members are views of `bytes`.
 * @throws BespokeError `invalid-request` if it is truncated or damaged, encrypted, compressed, or has a name twice
 * Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.16
 */
export function openStoredZip(bytes: Uint8Array, where: string): StoredZip {
  const endAt = findEnd(bytes, where);
  const end = new ByteReader(bytes, where, endAt + 10);
  const [count, directoryBytes, directoryAt] = [end.uint16(), end.uint32(), end.uint32()];
  if (count === SATURATED_COUNT || directoryAt === SATURATED_SIZE) {
    refuseFile(where, 'its zip has more than 65,534 members or 4 GB; no checkpoint of a supported network has');
  }
  if (directoryAt + directoryBytes > endAt) refuseFile(where, "its zip's table of contents lies beyond its end");
  const entries = new Map<string, Entry>();
  const reader = new ByteReader(bytes.subarray(0, endAt), where, directoryAt);
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader, where);
    if (entries.has(entry.name)) refuseFile(where, `its zip has the member ${quoted(entry.name)} twice`);
    entries.set(entry.name, entry);
  }
  return {
    names: [...entries.keys()],
    read: (name) => {
      const entry = entries.get(name);
      if (entry === undefined) return undefined;
      const member = memberBytes(bytes, entry, directoryAt, where);
      if (crc32(member) !== entry.crc) {
        refuseFile(where, `its member ${quoted(name)} does not match its checksum; download it again`);
      }
      return member;
    },
  };
}
