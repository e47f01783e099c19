/** The reversed polynomial of CRC-32. Source: ISO/IEC 3309, as the zip format uses it */
const POLYNOMIAL = 0xedb88320;

function tableEntry(byte: number): number {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value;
}

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => tableEntry(byte));

/** CRC-32 of bytes, as a zip file states it: 0 to 2^32 - 1. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
