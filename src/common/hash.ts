import { createHash } from 'node:crypto';

/** Lower-case hex sha256 of bytes. */
export type Sha256 = string & { readonly __brand: 'Sha256' };

/** sha256 of bytes or of a string's UTF-8 form. */
export function sha256(data: Uint8Array | string): Sha256 {
  return createHash('sha256').update(data).digest('hex') as Sha256; // hex of a sha256 is what the brand means
}

/**
 * JSON with sorted keys and no spaces: equal values give equal text, whatever order they were built in.
 * `undefined` members are left out, as in JSON.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
