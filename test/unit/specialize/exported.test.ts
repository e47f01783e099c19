import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { makeCostTable } from '../../../src/space/cost-table.js';
import { archCosts } from '../../../src/space/costs.js';
import { lower } from '../../../src/space/lower.js';
import { sampleArch } from '../../../src/space/sample.js';
import { exportedCosts, requestedExport } from '../../../src/specialize/exported.js';
import { type ExportOptions, fillExport } from '../../../src/supernet/export-options.js';
import { extractSubnet } from '../../../src/supernet/extract.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { InputSpec } from '../../../src/supernet/types.js';
import { randomStatistics, randomSupernet, tinySpace } from '../../helpers/supernets.js';

const space = tinySpace();
const costs = makeCostTable(space);
const input: InputSpec = {
  channels: 3,
  channelOrder: 'rgb',
  range: [0, 1],
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 0.875,
};
const OPTIONS: readonly Partial<ExportOptions>[] = [
  { batch: 64 },
  { softmax: true },
  { normalize: 'unit' },
  { opset: 21 },
  { batch: 64, softmax: true, normalize: 'bytes', opset: 13 },
];
/** Bytes that a bound may lie above what the options really add: what the search then gives away. */
const SLACK = 150;

describe('costs of what is delivered', () => {
  it.each(OPTIONS)('bound what %j adds to the file', (given) => {
    const options = fillExport(given);
    const supernet = randomSupernet(space, 1);
    for (const arch of [minArch(space), maxArch(space)]) {
      const subnet = sliceSubnet(supernet, arch, lower(space, arch));
      const statistics = randomStatistics(subnet, 1);
      const source = { supernet, input, classNames: [] };
      const added =
        extractSubnet(source, subnet, statistics, options).model.length -
        extractSubnet(source, subnet, statistics).model.length;
      const [plain] = costs.modelBytes([arch]);
      const [bound] = exportedCosts(costs, space, options).modelBytes([arch]);
      expect(bound! - plain!).toBeGreaterThanOrEqual(added);
      expect(bound! - plain!).toBeLessThan(added + SLACK);
    }
  });

  it('hold a fixed batch of activations, and the normalized copy of the input beside the first output', () => {
    const arch = sampleArch(space, makeRng(2));
    const plain = archCosts(space, arch).peakMemoryBytes;
    const peakOf = (given: Partial<ExportOptions>) =>
      exportedCosts(costs, space, fillExport(given)).peakMemoryBytes([arch])[0];
    expect(peakOf({ softmax: true, opset: 13 })).toBe(plain);
    expect(peakOf({ batch: 3 })).toBe(3 * plain);
    // 3 channels in and 8 out of the stem, at stride 1
    const atStem = 4 * (3 + 8) * arch.resolution ** 2;
    expect(peakOf({ normalize: 'bytes', batch: 2 })).toBe(2 * Math.max(plain, atStem));
    const narrow = tinySpace({
      stem: { channels: 8, kernel: 3, stride: 2, activation: 'relu' },
      stages: [{ channels: 8, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1] }],
      expandRatios: [1],
      firstBlock: { channels: 8, kernel: 3, stride: 2, activation: 'relu', squeezeExcite: false },
    });
    const smallest = minArch(narrow);
    const normalized = exportedCosts(makeCostTable(narrow), narrow, fillExport({ normalize: 'unit' }));
    const stem = 4 * (3 * 12 ** 2 + 8 * 6 ** 2);
    expect(normalized.peakMemoryBytes([smallest])[0]).toBe(stem);
    expect(normalized.peakMemoryBytes([smallest])[0]).toBeGreaterThan(archCosts(narrow, smallest).peakMemoryBytes);
  });

  it('agree column by column with the rows', () => {
    const archs = [minArch(space), maxArch(space)];
    const table = exportedCosts(costs, space, fillExport({ batch: 2, softmax: true, normalize: 'unit' }));
    const rows = table.all(archs);
    expect(rows.map(({ modelBytes }) => modelBytes)).toEqual([...table.modelBytes(archs)]);
    expect(rows.map(({ peakMemoryBytes }) => peakMemoryBytes)).toEqual([...table.peakMemoryBytes(archs)]);
    expect(rows.map(({ macs }) => macs)).toEqual([...costs.macs(archs)]);
  });

  it('are the plain ones where nothing is asked for', () => {
    expect(exportedCosts(costs, space, undefined)).toBe(costs);
  });
});

describe('export options of a request', () => {
  it('get their defaults', () => {
    expect(requestedExport({ batch: 4 }, { constraints: { maxMacs: 1 }, objective: 'accuracy' })).toEqual({
      batch: 4,
      softmax: false,
      normalize: 'none',
      opset: 17,
    });
  });

  it('take no fixed batch of several where a latency is limited or minimized', () => {
    const limited = { constraints: { maxLatencyMs: 1 }, objective: 'accuracy' } as const;
    const message = 'body /export/batch must be 1 or absent where the latency is limited or minimized';
    expect(() => requestedExport({ batch: 2 }, limited)).toThrow(message);
    expect(() => requestedExport({ batch: 2 }, { constraints: { maxMacs: 1 }, objective: 'latency' })).toThrow(message);
    expect(requestedExport({ batch: 1 }, limited).batch).toBe(1);
  });
});
