import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { expectedTensors, optionalTensors } from '../../../src/supernet/expected-tensors.js';
import { randomWeights } from '../../../src/supernet/random-weights.js';
import { tinySpace } from '../../helpers/supernets.js';
import { bundledSpace, MBV3_W10, PROXYLESS, smallResNet } from '../space/published-spaces.js';

/** Mean and standard deviation of a tensor's values. */
function moments(data: Float32Array): { readonly mean: number; readonly std: number } {
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const squares = data.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, std: Math.sqrt(squares / data.length) };
}

const make = (space: SearchSpace, seed = 1) => randomWeights(space, makeRng(seed));
const valuesOf = (space: SearchSpace, name: string): Float32Array => {
  const data = make(space).get(name)?.data;
  if (data === undefined) throw new Error(`no tensor ${name}`);
  return data;
};

describe('random weights of a supernet', () => {
  it.each([
    ['the bundled space', bundledSpace()],
    ['MobileNetV3 1.0', MBV3_W10],
    ['ProxylessNAS', PROXYLESS],
    ['a narrow ResNet-D', smallResNet()],
    ['a space of every part', tinySpace()],
  ])('are every tensor of %s in its shape, running statistics among them', (_, space) => {
    const wanted = new Map([...expectedTensors(space), ...optionalTensors(space)]);
    const found = new Map([...make(space)].map(([name, { dims }]) => [name, dims]));
    expect(found).toEqual(wanted);
  });

  // Expected by hand: sqrt(2 / (k * k * output channels)); the published code counts a depthwise layer's channels too.
  it.each([
    ['stem.weight', Math.sqrt(2 / (9 * 16))],
    ['stages.1.blocks.0.expand.weight', Math.sqrt(2 / 144)],
    ['stages.1.blocks.0.depthwise.weight', Math.sqrt(2 / (49 * 144))],
    ['stages.1.blocks.0.se.expand.weight', Math.sqrt(2 / 144)],
    ['stages.1.blocks.0.project.weight', Math.sqrt(2 / 40)],
    ['featureMix.weight', Math.sqrt(2 / 1280)],
    // Uniform on +-1/sqrt(1280): its standard deviation is the bound over sqrt(3).
    ['classifier.weight', 1 / Math.sqrt(3 * 1280)],
  ])('of %s have the spread of the published initialization', (name, std) => {
    const data = valuesOf(MBV3_W10, name);
    const found = moments(data);
    const tolerance = 6 / Math.sqrt(2 * data.length); // six standard errors of a standard deviation
    expect(Math.abs(found.std / std - 1)).toBeLessThan(tolerance);
    expect(Math.abs(found.mean / std)).toBeLessThan(6 / Math.sqrt(data.length));
  });

  it('keep within the classifier bound, and begin with neutral normalization, identity transforms and zero biases', () => {
    const bound = 1 / Math.sqrt(1280);
    expect(valuesOf(MBV3_W10, 'classifier.weight').every((value) => Math.abs(value) <= Math.fround(bound))).toBe(true);
    for (const [name, { dims, data }] of make(tinySpace())) {
      if (/bn\.(weight|running_var)$/.test(name)) expect(data.every((value) => value === 1)).toBe(true);
      if (/(bias|running_mean)$/.test(name)) expect(data.every((value) => value === 0)).toBe(true);
      if (!name.includes('transform')) continue;
      const [side = 0] = dims;
      expect([...data].filter((value) => value !== 0)).toEqual(new Array(side).fill(1));
      for (let i = 0; i < side; i++) expect(data[i * side + i]).toBe(1);
    }
  });

  it('are a function of the seed', () => {
    expect(make(tinySpace(), 5)).toEqual(make(tinySpace(), 5));
    const [one, other] = [5, 6].map((seed) => make(tinySpace(), seed).get('stem.weight')?.data);
    expect(one).not.toEqual(other);
  });
});
