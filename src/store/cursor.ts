import { BespokeError } from '../common/errors.js';

/** The last row of a page: the next page starts after it in the order (createdAt, id), both descending. */
export interface Position {
  readonly createdAt: Date;
  readonly id: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** True for a UUID in its usual text form. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The opaque text of a position: base64url of `<ms since the epoch>.<id>`. */
export function encodeCursor({ createdAt, id }: Position): string {
  return Buffer.from(`${createdAt.getTime()}.${id}`).toString('base64url');
}

/**
 * The position in a cursor.
 * @throws BespokeError `invalid-request` for anything that {@link encodeCursor} did not make
 */
export function decodeCursor(cursor: string): Position {
  const match = /^(\d{1,15})\.(.{36})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  const position = { createdAt: new Date(Number(match?.[1])), id: match?.[2] ?? '' };
  if (match === null || !isUuid(position.id) || encodeCursor(position) !== cursor) {
    const detail = `cursor must be the one that a page's next link holds, got ${JSON.stringify(cursor.slice(0, 80))}`;
    throw new BespokeError('invalid-request', `${detail}.`, { errors: [{ pointer: 'cursor', detail }] });
  }
  return position;
}
