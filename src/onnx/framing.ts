/** Wire type of what is preceded by its length: messages, texts, bytes. */
const LENGTH_DELIMITED = 2;
/** Bits of a tag below the field's number: the wire type. */
const TAG_TYPE_BITS = 3;
/** The bit of a varint's byte that says that another byte follows; the seven below carry the value. */
const VARINT_MORE = 0x80;

/** A length as protobuf writes it: least significant seven bits first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= VARINT_MORE) {
    bytes.push((rest % VARINT_MORE) + VARINT_MORE);
    rest = Math.floor(rest / VARINT_MORE);
  }
  return [...bytes, rest];
}

/** A message in pieces, and the bytes that they come to. */
export interface Framed {
  readonly pieces: readonly Uint8Array[];
  readonly byteLength: number;
}

/** Pieces one after the other. */
export function sequence(parts: readonly (Uint8Array | Framed)[]): Framed {
  return {
    pieces: parts.flatMap((part) => (part instanceof Uint8Array ? [part] : part.pieces)),
    byteLength: parts.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };
}

/**
 * A length-delimited field of a message: tag, length, content; nothing is copied.
 * @param number of the field, 1..15
 * Source: protobuf's encoding, "Message structure"
 */
export function field(number: number, content: Uint8Array | Framed): Framed {
  const tag = number * 2 ** TAG_TYPE_BITS + LENGTH_DELIMITED;
  return sequence([Uint8Array.from([tag, ...varint(content.byteLength)]), content]);
}

/** The bytes of a message, in one buffer of their own: each piece is copied once. */
export function join({ pieces, byteLength }: Framed): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}
