import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { expectedTensors } from '../../../src/supernet/expected-tensors.js';
import { initSupernet } from '../../../src/train/initialize.js';
import { layoutOf } from '../../../src/train/parameter-layout.js';
import { tinySpace } from './tiny-run.js';

const tensors = initSupernet(tinySpace, makeRng(1));
const dataOf = (name: string): Float32Array => tensors.get(name)?.data ?? new Float32Array(0);

function stdOf(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

describe('initSupernet', () => {
  it('makes exactly the tensors that a supernet of the space has', () => {
    const made = [...tensors].map(([name, { dims }]) => [name, [...dims]] as const).sort();
    const expected = [...expectedTensors(tinySpace)].map(([name, dims]) => [name, [...dims]] as const).sort();
    expect(made).toEqual(expected);
  });

  it('spreads weights by fan-out: convolutions, depthwise, hidden linear; 0.01 for the classifier', () => {
    // A sample standard deviation of n normal values is within 4/sqrt(2n) of the true one but for 1 in 16,000.
    const check = (name: string, std: number): void => {
      const values = dataOf(name);
      expect(Math.abs(stdOf(values) / std - 1), name).toBeLessThan(4 / Math.sqrt(2 * values.length));
    };
    check('stages.1.blocks.1.expand.weight', Math.sqrt(2 / 48));
    check('stages.1.blocks.1.depthwise.weight', Math.sqrt(2 / 49));
    check('featureMix.weight', Math.sqrt(2 / 16));
    check('classifier.weight', 0.01);
  });

  it('starts residual branches at zero, other norms at one, transforms at identity, biases at zero', () => {
    expect(new Set(dataOf('stages.1.blocks.1.project.bn.weight'))).toEqual(new Set([0]));
    expect(new Set(dataOf('stages.1.blocks.0.project.bn.weight'))).toEqual(new Set([1]));
    expect(new Set(dataOf('stages.1.blocks.1.depthwise.bn.weight'))).toEqual(new Set([1]));
    expect(new Set(dataOf('classifier.bias'))).toEqual(new Set([0]));
    const transform = dataOf('stages.0.blocks.0.depthwise.transform7to5');
    expect([...transform].every((value, i) => value === (Math.floor(i / 25) === i % 25 ? 1 : 0))).toBe(true);
  });

  it('is a function of the seed', () => {
    expect(initSupernet(tinySpace, makeRng(1))).toEqual(tensors);
    expect(initSupernet(tinySpace, makeRng(2)).get('stem.weight')).not.toEqual(tensors.get('stem.weight'));
  });
});

describe('layoutOf', () => {
  it('lays parameters out without gaps and lets only weights decay', () => {
    const layout = layoutOf(tensors);
    let end = 0;
    for (const { offset, size } of layout.slots) {
      expect(offset).toBe(end);
      end += size;
    }
    expect(layout.size).toBe(end);
    const decaying = layout.slots.filter(({ decays }) => decays).map(({ name }) => name);
    expect(decaying).toContain('stages.1.blocks.0.se.reduce.weight');
    expect(decaying.every((name) => name.endsWith('.weight'))).toBe(true);
    expect(decaying.some((name) => /bn|bias|transform/.test(name))).toBe(false);
  });
});
