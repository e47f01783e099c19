import { refuseFile } from './values.js';

/** Longest text of a pickle, bytes; names of tensors and files have some hundred. */
const MAX_TEXT_BYTES = 65_536;
/** Longest line of an old-fashioned opcode, bytes: a module's or a class's name. */
const MAX_LINE_BYTES = 256;
const NEWLINE = 0x0a;

/** Reads numbers and texts one after the other, little-endian, never beyond the end. Has a position, hence a class. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly where: string;
  /** Where the next byte is read. */
  position: number;

  constructor(bytes: Uint8Array, where: string, position = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.where = where;
    this.position = position;
  }

  /** Moves on by `count` bytes. @returns where they began @throws BespokeError if they are not there */
  #advance(count: number): number {
    const start = this.position;
    if (count > this.#bytes.length - start) {
      refuseFile(
        this.where,
        `it ends at byte ${this.#bytes.length}, before what byte ${start} announces; is the download complete?`,
      );
    }
    this.position = start + count;
    return start;
  }

  uint8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  /** @returns a safe integer; larger ones are beyond the end of any file, and refused as such */
  uint64(): number {
    const value = this.#view.getBigUint64(this.#advance(8), true);
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    return refuseFile(this.where, `byte ${this.position - 8} announces the size ${value}`);
  }

  /** A pickle's floats are big-endian. */
  float64BigEndian(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** The next bytes, as a view. */
  take(count: number): Uint8Array {
    const start = this.#advance(count);
    return this.#bytes.subarray(start, start + count);
  }

  /** UTF-8 text of so many bytes. */
  text(count: number): string {
    if (count > MAX_TEXT_BYTES) {
      refuseFile(this.where, `a text at byte ${this.position} has ${count} bytes, more than ${MAX_TEXT_BYTES}`);
    }
    const bytes = this.take(count);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (cause) {
      return refuseFile(this.where, `the text before byte ${this.position} is not UTF-8`, cause);
    }
  }

  /** Text up to the next line feed, which is read too. */
  line(): string {
    const end = this.#bytes.subarray(this.position, this.position + MAX_LINE_BYTES).indexOf(NEWLINE);
    if (end < 0) refuseFile(this.where, `a name at byte ${this.position} has no end`);
    const text = this.text(end);
    this.position += 1;
    return text;
  }
}
