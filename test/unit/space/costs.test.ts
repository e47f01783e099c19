import { describe, expect, it } from 'vitest';
import { canonicalArch, maxArch, minArch } from '../../../src/space/arch.js';
import { makeBlockTable } from '../../../src/space/block-table.js';
import { blockGroups, blockKey } from '../../../src/space/blocks.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import { archCosts } from '../../../src/space/costs.js';
import { lower } from '../../../src/space/lower.js';
import { parseArch } from '../../../src/space/reference-spelling.js';
import { everyArch } from './every-arch.js';
import { bundledSpace, MBV3_W10, MBV3_W12 } from './published-spaces.js';
import { tinyResNet, tinySpace } from './tiny-space.js';

describe('peakMemoryBytes', () => {
  it('is what was measured as the resident-set high-water mark, to within 5 % and never below it', () => {
    // MiB, native runtime with arena and memory pattern off; measured before this code was written.
    const measured = [
      { space: MBV3_W10, arch: { ks: 3, e: 3, d: 2, r: 128 }, mebibytes: 0.95 },
      { space: MBV3_W10, arch: { ks: 3, e: 3, d: 2, r: 224 }, mebibytes: 2.99 },
      { space: MBV3_W10, arch: { ks: 7, e: 4, d: 3, r: 224 }, mebibytes: 3.7 },
      { space: MBV3_W10, arch: { ks: 7, e: 6, d: 4, r: 224 }, mebibytes: 5.66 },
      { space: MBV3_W12, arch: { ks: 7, e: 6, d: 4, r: 224 }, mebibytes: 8.43 },
    ];
    for (const { space, arch, mebibytes } of measured) {
      const ratio = archCosts(space, parseArch(space, arch)).peakMemoryBytes / 2 ** 20 / mebibytes;
      expect(ratio).toBeGreaterThanOrEqual(1);
      expect(ratio).toBeLessThan(1.06); // the formula has 1-5 % on top, and the figures are rounded
    }
  });

  it('is the per-block formula of a network worked out by hand', () => {
    // The bundled space's largest net peaks in its first block: 16 channels at 28, hidden 96, stride 2 to 14, no shortcut.
    const expand = 16 * 28 ** 2 + 96 * 28 ** 2;
    const depthwise = 96 * 28 ** 2 + 96 * 14 ** 2;
    const space = bundledSpace();
    expect(archCosts(space, maxArch(space)).peakMemoryBytes).toBe(4 * Math.max(expand, depthwise));
    // A network of one block with a shortcut, which is held through its layers and takes the sum: x 8 at 16, hidden 16.
    const stage = { channels: 8, stride: 1, activation: 'relu', squeezeExcite: true, depths: [1] } as const;
    const { finalExpand: _, featureMix: __, firstBlock: ___, ...rest } = tinySpace({ stages: [stage] });
    const stem = { channels: 8, kernel: 3, stride: 1, activation: 'relu' } as const;
    const arch = { spaceId: 'tiny', kernelSizes: [3], expandRatios: [2], depths: [1], resolution: 16 };
    expect(archCosts({ ...rest, stem }, arch).peakMemoryBytes).toBe(4 * (8 + 16 + 16) * 16 ** 2);
  });
});

describe('modelBytes', () => {
  it('is the initialisers and a little', () => {
    const { modelParams, modelBytes } = archCosts(MBV3_W10, maxArch(MBV3_W10));
    expect(modelBytes).toBeGreaterThan(4 * modelParams);
    expect(modelBytes).toBeLessThan(1.01 * 4 * modelParams);
  });
});

describe('makeCostTable', () => {
  it('equals archCosts for every arch of a small space, at resolutions outside its set too', () => {
    const space = tinySpace();
    const table = makeCostTable(space);
    const archs = everyArch(space, [12, 13, 16]);
    expect(archs.length).toBe(3 * 20 * 68); // stages: 4 + 16, and 4 + 64
    const costs = archs.map((arch) => archCosts(space, arch));
    for (const key of ['macs', 'params', 'modelBytes', 'peakMemoryBytes'] as const) {
      expect([...table[key](archs)]).toEqual(costs.map((cost) => cost[key]));
    }
  });

  it('equals archCosts for every arch of a small space with elastic widths', () => {
    const space = tinyResNet();
    const archs = everyArch(space, [17]);
    expect(archs.length).toBe(2 * 6 * 12 * 16); // stem, stages of 2 + 4 and 4 + 8, widths
    const costs = archs.map((arch) => archCosts(space, arch));
    const all = makeCostTable(space).all(archs);
    expect(all).toEqual(costs.map(({ modelParams: _, ...rest }) => rest));
  });

  it('refuses archs of another space or with values the space lacks', () => {
    const table = makeCostTable(tinySpace());
    const arch = minArch(tinySpace());
    expect(() => table.macs([{ ...arch, spaceId: 'other' }])).toThrow(/tiny was asked about other/);
    expect(() => table.macs([{ ...arch, kernelSizes: [9, 3, 3, 3, 3] }])).toThrow(/slot 0/);
    expect(() => table.macs([{ ...arch, expandRatios: [2, 2, 9, 2, 2] }])).toThrow(/slot 2/);
  });
});

describe('blocks', () => {
  const space = tinySpace();

  it('groups are stem, first block, blocks, head, and together all layers', () => {
    const layers = lower(space, maxArch(space));
    const groups = blockGroups(layers);
    expect(groups.flat()).toEqual(layers);
    expect(groups.map((group) => group[0]?.name)).toEqual([
      'stem',
      'first.depthwise',
      'stages.0.blocks.0.expand',
      'stages.0.blocks.1.expand',
      'stages.1.blocks.0.expand',
      'stages.1.blocks.1.expand',
      'stages.1.blocks.2.expand',
      'finalExpand',
    ]);
  });

  it('keys are equal for equal work and differ with any shape', () => {
    const keysOf = (change: object): string[] =>
      blockGroups(lower(space, canonicalArch(space, { ...maxArch(space), ...change }))).map(blockKey);
    const keys = keysOf({});
    expect(keys[5]).toBe(keys[6]); // two blocks of the same shape in one stage
    expect(new Set(keys).size).toBe(keys.length - 1);
    expect(keysOf({ kernelSizes: [5, 5, 5, 3, 5] })[5]).not.toBe(keys[5]);
    expect(keysOf({ expandRatios: [3, 3, 3, 2, 3] })[5]).not.toBe(keys[5]);
    expect(keysOf({ resolution: 12 })[5]).not.toBe(keys[5]);
    expect(keys[2]).toBe('conv 8>24 k1 s1 @8 relu | depthwise 24>24 k5 s2 @8 relu | conv 24>16 k1 s1 @4 none');
  });

  it('a block table adds up any figure of the groups, in execution order', () => {
    const figure = (layers: readonly { name: string; macs: number }[]): number =>
      Math.sqrt(layers[0]!.macs) + layers.length;
    const archs = everyArch(space, [16]);
    const expected = archs.map((arch) =>
      blockGroups(lower(space, arch)).reduce((sum, group) => sum + figure(group), 0),
    );
    expect([...makeBlockTable(space, figure).total(archs)]).toEqual(expected);
  });
});
