import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import { makeDivisible } from '../../../src/space/layers.js';
import { lower } from '../../../src/space/lower.js';
import { parseArch } from '../../../src/space/reference-spelling.js';
import { bundledSpace, MBV3_W10, MBV3_W12, PROXYLESS, RESNET50, smallResNet } from './published-spaces.js';
import { tinySpace } from './tiny-space.js';

const REFERENCE = process.env.BESPOKE_REFERENCE ?? '../shared/reference';

interface CountedArch {
  readonly name: string;
  readonly macs_exact: number;
  readonly params: number;
}

describe.skipIf(!existsSync(`${REFERENCE}/mbv3_w1.0`))('counts against the published implementation', () => {
  for (const [folder, space] of [
    ['mbv3_w1.0', MBV3_W10],
    ['mbv3_w1.2', MBV3_W12],
    ['proxyless_w1.3', PROXYLESS],
    ['resnet50', RESNET50],
    ['resnet50_small', smallResNet()],
  ] as const) {
    it(`MACs and params of every arch of ${folder} are equal`, () => {
      // The shape of this file is told in the reference data's README.
      const archs = JSON.parse(readFileSync(`${REFERENCE}/${folder}/archs.json`, 'utf8')) as CountedArch[];
      expect(archs.length).toBeGreaterThan(5);
      for (const counted of archs) {
        const { macs, params } = archCosts(space, parseArch(space, counted, { anyResolution: true }));
        expect({ name: counted.name, macs, params }).toEqual({
          name: counted.name,
          macs: counted.macs_exact,
          params: counted.params,
        });
      }
    });
  }
});

describe('lower', () => {
  it('counts the largest published network as the published code does', () => {
    // 566,170,656 MACs and 7,664,760 params: derived from the published implementation at width 1.0, 224 pixels.
    expect(archCosts(MBV3_W10, maxArch(MBV3_W10))).toMatchObject({ macs: 566_170_656, params: 7_664_760 });
    expect(archCosts(MBV3_W12, maxArch(MBV3_W12)).params).toBe(10_701_632);
  });

  it('names the layers of a published block in execution order, with the shortcut of an equal-shape block', () => {
    const layers = lower(MBV3_W10, minArch(MBV3_W10));
    const names = layers.map((layer) => layer.name);
    expect(names.slice(0, 3)).toEqual(['stem', 'first.depthwise', 'first.project']);
    expect(names.slice(-4)).toEqual(['finalExpand', 'pool', 'featureMix', 'classifier']);
    const block = layers.filter((layer) => layer.name.startsWith('stages.1.blocks.1.'));
    expect(block.map((layer) => layer.name.slice('stages.1.blocks.1.'.length))).toEqual([
      'expand',
      'depthwise',
      'se',
      'project',
    ]);
    expect(block[3]).toMatchObject({ addFrom: 'stages.1.blocks.0.project', input: 'stages.1.blocks.1.se' });
    expect(layers.find((layer) => layer.name === 'stages.1.blocks.0.project')).not.toHaveProperty('addFrom');
    expect(layers.find((layer) => layer.name === 'first.project')).toMatchObject({ addFrom: 'stem' });
  });

  it('counts a hand-computed small network', () => {
    // 20x20x1 -> stem 3x3 16 (20) -> s0 stride 2 hidden 48 (10) -> s1 stride 2 hidden 48, SE mid 16 (5) -> s2 hidden 96, SE mid 24 (5)
    const stem = 9 * 16 * 400;
    const stage0 = 16 * 48 * 400 + 9 * 48 * 100 + 48 * 16 * 100;
    const stage1 = 16 * 48 * 100 + 9 * 48 * 25 + 2 * 48 * 16 + 48 * 32 * 25;
    const stage2 = 32 * 96 * 25 + 9 * 96 * 25 + 2 * 96 * 24 + 96 * 48 * 25;
    const head = 48 * 128 + 128 * 10;
    const {
      firstBlock: _,
      finalExpand: __,
      ...space
    } = tinySpace({
      classes: 10,
      resolutions: [20],
      kernelSizes: [3],
      expandRatios: [3],
      stem: { channels: 16, kernel: 3, stride: 1, activation: 'relu' },
      stages: [
        { channels: 16, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1] },
        { channels: 32, stride: 2, activation: 'relu', squeezeExcite: true, depths: [1] },
        { channels: 48, stride: 1, activation: 'hSwish', squeezeExcite: true, depths: [1] },
      ],
      featureMix: { channels: 128, activation: 'hSwish', bias: true },
    });
    expect(archCosts(space, minArch(space)).macs).toBe(stem + stage0 + stage1 + stage2 + head);
  });

  it('every layer reads the layer before it, and sizes chain', () => {
    for (const space of [MBV3_W12, bundledSpace()]) {
      const layers = lower(space, maxArch(space));
      layers.forEach((layer, index) => {
        const before = layers[index - 1];
        expect(layer.input).toBe(before?.name ?? 'input');
        if (before === undefined) return;
        expect([layer.inChannels, layer.inSize]).toEqual([before.outChannels, before.outSize]);
      });
    }
  });
});

describe('makeDivisible', () => {
  it('rounds halves up, keeps at least 8 and at least nine tenths', () => {
    // 11 -> 8 would lose more than a tenth, so 16; 12 rounds up; 19 * 0.9 < 16 fails by 1.1: 24.
    expect([1, 8, 11, 12, 16, 17, 19, 20, 36, 1152].map(makeDivisible)).toEqual([
      8, 8, 16, 16, 16, 16, 24, 24, 40, 1152,
    ]);
  });
});
