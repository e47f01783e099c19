import { expect, test } from 'vitest';
import { preferredWaitSeconds } from '../../../src/api/prefer.js';

test.each([
  [undefined, undefined],
  ['wait=0', 0],
  ['wait=5', 5],
  ['wait="5"', 5],
  ['respond-async, WAIT = 7; x=1', 7],
  ['wait=61', 60],
  ['wait=-1', undefined],
  ['wait=1.5', undefined],
  ['wait=abc', undefined],
  ['wait', undefined],
  ['await=5', undefined],
])('%s is a wait of %s s', (header, seconds) => {
  expect(preferredWaitSeconds(header)).toBe(seconds);
});
