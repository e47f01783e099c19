import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { splitTrainValidation } from '../../../src/data/splits.js';

const labels = Uint8Array.from({ length: 60_000 }, (_, i) => (i * 7 + Math.floor(i / 13)) % 10);

function countsOf(indices: readonly number[], of: Uint8Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const index of indices) counts[of[index]!] = counts[of[index]!]! + 1;
  return counts;
}

describe('splitTrainValidation', () => {
  it('gives 55,000 / 3,000 / 2,000 images that are disjoint and together everything', () => {
    const { train, selection, verification } = splitTrainValidation(labels, 1);
    expect([train.length, selection.length, verification.length]).toEqual([55_000, 3_000, 2_000]);
    expect(new Set([...train, ...selection, ...verification]).size).toBe(60_000);
  });

  it('keeps the class shares in each part, within one image', () => {
    const whole = countsOf(Array.from(labels.keys()), labels, 10);
    const { selection, verification } = splitTrainValidation(labels, 1);
    for (const part of [selection, verification]) {
      countsOf(part, labels, 10).forEach((count, c) => {
        expect(Math.abs(count - (whole[c]! * part.length) / 60_000)).toBeLessThan(1);
      });
    }
  });

  it('handles unbalanced classes and odd sizes exactly', () => {
    const rng = makeRng(4);
    const odd = Uint8Array.from({ length: 997 }, () => (rng.chance(0.8) ? 0 : rng.int(3)));
    const { train, selection, verification } = splitTrainValidation(odd, 9, { selection: 101, verification: 53 });
    expect([train.length, selection.length, verification.length]).toEqual([843, 101, 53]);
    expect(new Set([...train, ...selection, ...verification]).size).toBe(997);
  });

  it('is a function of the seed', () => {
    expect(splitTrainValidation(labels, 5)).toEqual(splitTrainValidation(labels, 5));
    expect(splitTrainValidation(labels, 5).selection).not.toEqual(splitTrainValidation(labels, 6).selection);
  });
});
