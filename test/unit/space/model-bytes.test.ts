import { describe, expect, it } from 'vitest';
import { makeRng } from '../../../src/common/rng.js';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { archCosts } from '../../../src/space/costs.js';
import { lower } from '../../../src/space/lower.js';
import { sampleArch } from '../../../src/space/sample.js';
import { extractSubnet } from '../../../src/supernet/extract.js';
import { sliceSubnet } from '../../../src/supernet/slice.js';
import type { InputSpec } from '../../../src/supernet/types.js';
import { randomStatistics, randomSupernet } from '../../helpers/supernets.js';
import { bundledSpace, MBV3_W10 } from './published-spaces.js';

const INPUT: InputSpec = {
  channels: 3,
  channelOrder: 'rgb',
  range: [0, 1],
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  resize: 'bilinear',
  antialias: true,
  cropFraction: 0.875,
};

describe('modelBytes', () => {
  it.each([
    ['the bundled space', bundledSpace(), [minArch, maxArch]],
    ['the published space', MBV3_W10, [minArch]],
  ] as const)('is never below the extracted file of %s, and at most 1 % above', (_, space, ends) => {
    const supernet = randomSupernet(space, 1);
    const classNames = Array.from({ length: space.classes }, (__, index) => `class ${index}`);
    for (const arch of [...ends.map((end) => end(space)), sampleArch(space, makeRng(3))]) {
      const subnet = sliceSubnet(supernet, arch, lower(space, arch));
      const { model } = extractSubnet({ supernet, input: INPUT, classNames }, subnet, randomStatistics(subnet, 1));
      const ratio = archCosts(space, arch).modelBytes / model.length;
      expect(ratio).toBeGreaterThanOrEqual(1);
      expect(ratio).toBeLessThan(1.01);
    }
  });
});
