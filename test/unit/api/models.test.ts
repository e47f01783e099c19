import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRange } from '../../../src/api/models.js';

test('a satisfiable range lies within the file, whatever was asked', () => {
  fc.assert(
    fc.property(
      fc.option(fc.nat(2000)),
      fc.option(fc.nat(2000)),
      fc.integer({ min: 1, max: 1000 }),
      (first, last, size) => {
        const range = readRange(`bytes=${first ?? ''}-${last ?? ''}`, size);
        if (range === undefined || range === 'unsatisfiable') return true;
        return 0 <= range.start && range.start <= range.end && range.end < size;
      },
    ),
    { seed: 11 },
  );
});

test.each([
  [undefined, undefined],
  ['bytes=0-', { start: 0, end: 99 }],
  ['BYTES=0-4', { start: 0, end: 4 }],
  ['bytes=99-99', { start: 99, end: 99 }],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-1', { start: 99, end: 99 }],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=7-6', undefined],
  ['bytes=99999999999999999-', undefined],
  ['bytes=1-2,5-6', undefined],
])('%s of 100 bytes is %o', (header, range) => {
  expect(readRange(header, 100)).toEqual(range);
});
