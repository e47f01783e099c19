import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PUBLISHED_SPACES } from '../../../src/space/published.js';
import type { SearchSpace } from '../../../src/space/types.js';
import { plainName, publishedNames } from '../../../src/supernet/checkpoint-names.js';
import { expectedTensors, optionalTensors } from '../../../src/supernet/expected-tensors.js';
import { importCheckpoint } from '../../../src/supernet/import-checkpoint.js';
import { floats, int64s, sizeOf, type Tensor } from '../../../src/tensor/tensor.js';
import { tinySpace } from '../../helpers/supernets.js';

const REFERENCE = process.env.BESPOKE_REFERENCE ?? '../shared/reference';
/** A published space with few channels, so that its tensors are made quickly. */
const space: SearchSpace = { ...narrow(), id: 'narrow' };
const wider: SearchSpace = { ...narrow(), classes: 3, id: 'wider' };

function narrow(): SearchSpace {
  const published = PUBLISHED_SPACES[0];
  if (published?.family !== 'mobilenet-v3') throw new Error('the first published space is no MobileNetV3');
  return {
    ...published,
    classes: 2,
    stem: { ...published.stem, channels: 8 },
    firstBlock: { channels: 8, kernel: 3, stride: 1, activation: 'relu', squeezeExcite: false },
    stages: published.stages.map((stage) => ({ ...stage, channels: 8 })),
    finalExpand: { channels: 16, activation: 'hSwish' },
    featureMix: { channels: 16, activation: 'hSwish', bias: false },
  };
}

/** A checkpoint of a space as the newer published code names it, every tensor filled with its place in the list. */
function checkpointOf(of: SearchSpace): Map<string, Tensor> {
  const shapes = new Map([...expectedTensors(of), ...optionalTensors(of)]);
  const tensors = new Map<string, Tensor>();
  for (const [key, name] of publishedNames(of)) {
    const ours = shapes.get(key) ?? [];
    // Published squeeze-and-excite and feature mix are convolutions.
    const dims = ours.length === 2 && /fc\.|feature_mix/.test(name) ? [...ours, 1, 1] : ours;
    tensors.set(name, floats(dims, new Float32Array(sizeOf(dims)).fill(tensors.size)));
    if (name.endsWith('running_var')) tensors.set(name.replace('running_var', 'num_batches_tracked'), int64s([7], []));
  }
  return tensors;
}

const renamed = (tensors: ReadonlyMap<string, Tensor>, rename: (name: string) => string): Map<string, Tensor> =>
  new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));

const importing =
  (tensors: ReadonlyMap<string, Tensor>, others: readonly SearchSpace[] = []) =>
  () =>
    importCheckpoint(space, tensors, { where: '"file.pth"', others });

describe.skipIf(!existsSync(REFERENCE))('names of the published checkpoints', () => {
  it.each([
    ['ofa-mbv3-w1.0', 'mbv3_w1.0'],
    ['ofa-mbv3-w1.2', 'mbv3_w1.2'],
    ['ofa-proxyless-w1.3', 'proxyless_w1.3'],
    ['ofa-resnet50', 'resnet50'],
  ])('%s: every key but the step counters, with its shape', (id, folder) => {
    const published = PUBLISHED_SPACES.find((known) => known.id === id);
    if (published === undefined) throw new Error(id);
    const keys = JSON.parse(readFileSync(`${REFERENCE}/${folder}/supernet_keys.json`, 'utf8')) as [string, number[]][]; // told in the data's README
    const wanted = keys
      .filter(([name]) => !name.endsWith('num_batches_tracked'))
      .map(([name, dims]) => [name, sizeOf(dims)]);
    const shapes = new Map([...expectedTensors(published), ...optionalTensors(published)]);
    const found = [...publishedNames(published)].map(([key, name]) => [name, sizeOf(shapes.get(key) ?? [])]);
    expect(found.sort()).toEqual(wanted.sort());
    expect(new Set(keys.map(([name]) => plainName(name))).size).toBe(keys.length);
  });
});

describe('an imported checkpoint', () => {
  const checkpoint = checkpointOf(space);
  const imported = importing(checkpoint)();

  it('has our names and shapes, its values where they were, and no step counters', () => {
    expect([...imported.keys()].sort()).toEqual([...publishedNames(space).keys()].sort());
    const shapes = new Map([...expectedTensors(space), ...optionalTensors(space)]);
    for (const [key, name] of publishedNames(space)) {
      expect(imported.get(key)?.dims, key).toEqual(shapes.get(key));
      expect(imported.get(key)?.data === checkpoint.get(name)?.data, key).toBe(true);
    }
  });

  it.each<[string, (name: string) => string]>([
    ['older block names', (name) => name.replace(/^(blocks\.\d+)\.conv\./, '$1.mobile_inverted_conv.')],
    ['single wrappers', plainName],
    [
      'double wrappers everywhere',
      (name) =>
        plainName(name)
          .replace(/\.bn\./, '.bn.bn.')
          .replace(/\.linear\./, '.linear.linear.'),
    ],
    ['data parallel training', (name) => `module.${name}`],
  ])('is the same with names of %s', (_, rename) => {
    const same = importing(renamed(checkpoint, rename))();
    expect([...same.keys()]).toEqual([...imported.keys()]);
    for (const [key, { dims, data }] of imported) {
      expect(same.get(key)?.dims).toEqual(dims);
      expect(same.get(key)?.data === data, key).toBe(true);
    }
  });
});

describe('checkpoints that do not fit', () => {
  const edited = (edit: (tensors: Map<string, Tensor>) => void): Map<string, Tensor> => {
    const tensors = checkpointOf(space);
    edit(tensors);
    return tensors;
  };

  it('missing, unexpected and mis-shaped tensors are named and counted', () => {
    const tensors = edited((t) => {
      t.delete('blocks.1.conv.inverted_bottleneck.conv.conv.weight');
      t.set('blocks.99.extra', floats([1], [0]));
      t.set('classifier.linear.bias', floats([5], [0, 0, 0, 0, 0]));
    });
    expect(importing(tensors)).toThrow(
      /1 missing \("blocks.1.conv.inverted_bottleneck.conv.conv.weight"\); 1 unexpected \("blocks.99.extra"\); 1 mis-shaped \("classifier.linear.bias" is \[5\], wanted is \[2\]\)/,
    );
  });

  it('of many the first five are named', () => {
    const tensors = edited((t) => {
      for (const name of [...t.keys()].filter((key) => key.endsWith('running_mean'))) t.delete(name);
    });
    expect(importing(tensors)).toThrow(/64 missing \(.*running_mean" and 59 more\)/);
  });

  it('names are missed in the spelling that the file has', () => {
    const tensors = edited((t) => t.delete('blocks.1.conv.point_linear.bn.bn.bias'));
    const older = renamed(tensors, (name) => name.replace(/^(blocks\.\d+)\.conv\./, '$1.mobile_inverted_conv.'));
    expect(importing(older)).toThrow(/"blocks.1.mobile_inverted_conv.point_linear.bn.bn.bias"/);
  });

  it('a convolution of other dims is not taken for a linear layer, nor the other way round', () => {
    const weight = 'feature_mix_layer.conv.weight';
    expect(importing(edited((t) => t.set(weight, floats([16, 16], new Float32Array(256)))))).not.toThrow();
    expect(importing(edited((t) => t.set(weight, floats([16, 1, 16, 1], new Float32Array(256)))))).toThrow(
      /mis-shaped/,
    );
    const conv = 'final_expand_layer.conv.weight';
    expect(importing(edited((t) => t.set(conv, floats([16, 8], new Float32Array(128)))))).toThrow(/mis-shaped/);
  });

  it('a file of another space is refused with the space that it fits', () => {
    expect(importing(checkpointOf(wider), [space, wider, tinySpace()])).toThrow(
      '"file.pth" cannot be imported: it is no supernet of the space "narrow"; it fits "wider"',
    );
  });

  it('one specialized network is told from a supernet', () => {
    // As extraction leaves it: single wrappers, no transforms, blocks of one stage left out and the others renumbered.
    const subnet = new Map<string, Tensor>();
    for (const [name, tensor] of checkpointOf(space)) {
      const block = Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? 0);
      if (/_matrix$/.test(name) || (block > 2 && block < 5)) continue;
      subnet.set(plainName(name).replace(/^blocks\.\d+/, `blocks.${block > 4 ? block - 2 : block}`), tensor);
    }
    expect(importing(subnet)).toThrow(/looks like one specialized network, extracted from a supernet such as "narrow"/);
    expect(importing(checkpointOf(wider))).toThrow(/are not those of a supernet of the space "narrow": 2 mis-shaped/);
  });

  it('an accuracy predictor is told from a supernet', () => {
    const layers = new Map<string, Tensor>(
      ['0.weight', '0.bias', '2.weight', '2.bias'].map((name) => [name, floats([2], new Float32Array(2))]),
    );
    expect(importing(layers)).toThrow(/those of an accuracy predictor; `bespoke predictor import` takes it/);
  });

  it('a tensor under two spellings, or of whole numbers', () => {
    const twice = edited((t) => t.set('first_conv.conv.conv.weight', floats([1], [0])));
    expect(importing(twice)).toThrow(
      /one tensor twice, as "first_conv.conv.weight" and as "first_conv.conv.conv.weight"/,
    );
    const bias = edited((t) => t.set('classifier.linear.bias', int64s([1, 2])));
    expect(importing(bias)).toThrow(/"classifier.linear.bias" is int64; wanted are floats/);
  });
});
