import { describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import { toDatabaseError } from '../../../src/store/database-error.js';
import { programFailed, toStorageError } from '../../../src/store/storage-error.js';

/** An error with fields as Node, pg or Prisma add them. */
const failure = (message: string, fields: object = {}): Error => Object.assign(new Error(message), fields);

describe('an error of the database', () => {
  it.each([
    ['a refused connection', failure('connect', { code: 'ECONNREFUSED' })],
    ['a server that stops', failure('terminating', { code: '57P01' })],
    ['too many sessions', failure('sorry', { code: '53300' })],
    ['a wrong password', failure('password', { code: '28P01' })],
    ['a connection cut in a query', failure('Connection terminated unexpectedly')],
    ['Prisma without a connection', failure('timeout', { code: 'P2024' })],
    ['an adapter error within', failure('x', { cause: failure('y', { cause: { kind: 'DatabaseNotReachable' } }) })],
    [
      'an adapter error in the meta',
      failure('x', { meta: { driverAdapterError: { cause: { originalCode: '57P03' } } } }),
    ],
  ])('tells that it is away: %s', (_, error) => {
    const found = toDatabaseError(error);
    expect(found).toBeInstanceOf(BespokeError);
    expect(found).toMatchObject({ code: 'database-unavailable', extras: { retryAfterSeconds: 5 }, cause: error });
  });

  it('tells a full disk and text that cannot be stored', () => {
    expect(toDatabaseError(failure('x', { code: '53100' }))).toMatchObject({ code: 'storage-failed' });
    expect(toDatabaseError(failure('x', { code: 'P2010', meta: { code: '22021' } }))).toMatchObject({
      code: 'invalid-request',
    });
  });

  it.each([failure('syntax', { code: '42601' }), failure('unique', { code: 'P2002' }), 'text', undefined])(
    'leaves anything else as it is: %s',
    (error) => {
      expect(toDatabaseError(error)).toBe(error);
    },
  );

  it('leaves our own errors as they are, whatever their cause', () => {
    const own = new BespokeError('conflict', 'No.', {}, failure('x', { code: 'ECONNRESET' }));
    expect(toDatabaseError(own)).toBe(own);
  });

  it('ends on an error that is its own cause', () => {
    const loop: { cause?: unknown } = {};
    loop.cause = loop;
    expect(toDatabaseError(loop)).toBe(loop);
  });
});

describe('an error of the data folder', () => {
  it.each([
    ['ENOSPC', /disk is full/],
    ['EROFS', /read-only/],
    ['EACCES', /may not write/],
    ['EDQUOT', /quota/],
  ])('says what %s means', (code, words) => {
    expect(toStorageError(failure('x', { code }), '/data')).toMatchObject({
      code: 'storage-failed',
      message: expect.stringMatching(words),
    });
  });

  it('leaves a mistake of ours as it is', () => {
    const mistake = new TypeError('x is not a function');
    expect(toStorageError(mistake, '/data')).toBe(mistake);
  });

  it('reads the reason out of what a program said', () => {
    const full = 'LOG: a\ninitdb: error: could not write file "b": No space left on device\n';
    expect(programFailed('/data', 'initdb', full).message).toMatch(/\/data.*disk is full/);
    expect(programFailed('/data', 'postgres', 'LOG: a\nFATAL:  bad magic\nLOG: c\n').message).toMatch(
      /postgres.*FATAL: {2}bad magic/,
    );
    expect(programFailed('/data', 'postgres', '').message).toMatch(/said nothing/);
  });
});
