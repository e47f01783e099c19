import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from '../../../src/store/cursor.js';

describe('the cursor of a page', () => {
  it('comes back as the position it was made of', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.uuid(), (ms, id) => {
        const position = { createdAt: new Date(ms), id };
        expect(decodeCursor(encodeCursor(position))).toEqual(position);
        expect(encodeCursor(position)).toMatch(/^[\w-]+$/);
      }),
      { seed: 1 },
    );
  });

  it('refuses every other text, naming the field', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor(text)).toThrow(
          expect.objectContaining({
            code: 'invalid-request',
            extras: { errors: [expect.objectContaining({ pointer: 'cursor' })] },
          }),
        );
      }),
      { seed: 1 },
    );
  });

  it('refuses a cursor with one character changed into no position', () => {
    const cursor = encodeCursor({ createdAt: new Date(0), id: '00000000-0000-7000-8000-000000000000' });
    expect(() => decodeCursor(`${cursor}A`)).toThrow(/cursor/);
    expect(() => decodeCursor(cursor.slice(1))).toThrow(/cursor/);
  });
});
