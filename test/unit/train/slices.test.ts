import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../../src/tensor/tensor.js';
import { gatherSlice, isPrefix, planSlice, scatterAddSlice } from '../../../src/train/slices.js';

/** Full dims of 1 to 4 axes, and a leading part of each. */
const shapes = fc
  .array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
  .chain((full) => fc.tuple(fc.constant(full), fc.tuple(...full.map((dim) => fc.integer({ min: 1, max: dim })))));

/** Flat indices of the leading part in row-major order, by counting through all elements. */
function activeIndices(full: readonly number[], active: readonly number[]): number[] {
  const indices: number[] = [];
  for (let flat = 0; flat < sizeOf(full); flat++) {
    let rest = flat;
    let inside = true;
    for (let axis = full.length - 1; axis >= 0; axis--) {
      inside &&= rest % full[axis]! < active[axis]!;
      rest = Math.floor(rest / full[axis]!);
    }
    if (inside) indices.push(flat);
  }
  return indices;
}

describe('planSlice', () => {
  it('gathers and scatters exactly the leading part, at any offset', () => {
    fc.assert(
      fc.property(shapes, fc.nat(7), ([full, active], offset) => {
        const plan = planSlice(full, active);
        const indices = activeIndices(full, active);
        expect(plan.size).toBe(indices.length);
        const flat = Float32Array.from({ length: offset + sizeOf(full) }, (_, i) => i + 1);
        const out = new Float32Array(plan.size);
        gatherSlice(plan, flat, offset, out);
        expect([...out]).toEqual(indices.map((index) => offset + index + 1));
        const sum = new Float32Array(flat.length).fill(10);
        scatterAddSlice(plan, out, sum, offset);
        scatterAddSlice(plan, out, sum, offset);
        const expected = new Float32Array(flat.length).fill(10);
        for (const index of indices) expected[offset + index] = 10 + 2 * (offset + index + 1);
        expect(sum).toEqual(expected);
        expect(isPrefix(plan)).toBe(indices.every((index, i) => index === i) && plan.starts.length === 1);
      }),
    );
  });

  it('needs no copy when only the first dim is cut', () => {
    expect(isPrefix(planSlice([64, 16, 3, 3], [48, 16, 3, 3]))).toBe(true);
    expect(isPrefix(planSlice([16, 64, 1, 1], [16, 48, 1, 1]))).toBe(false);
  });

  it('refuses what is no leading slice', () => {
    expect(() => planSlice([4, 4], [5, 4])).toThrow(/no leading slice/);
    expect(() => planSlice([4, 4], [4])).toThrow(/no leading slice/);
  });
});
