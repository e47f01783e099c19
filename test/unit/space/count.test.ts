import { describe, expect, it } from 'vitest';
import { archId } from '../../../src/space/arch.js';
import { countSubnets } from '../../../src/space/count.js';
import { everyArch } from './every-arch.js';
import { MBV3_W10, MBV3_W12, PROXYLESS, RESNET50 } from './published-spaces.js';
import { tinyResNet, tinySpace } from './tiny-space.js';

describe('countSubnets', () => {
  it('gives the exact size of the published space', () => {
    // Computed independently from the definition, per stage 9^2 + 9^3 + 9^4, to the power of five stages.
    expect(countSubnets(MBV3_W10)).toBe(21_758_655_492_572_485_851n);
    expect(countSubnets(MBV3_W12)).toBe(21_758_655_492_572_485_851n);
    // One stage more, of a single block.
    expect(countSubnets(PROXYLESS)).toBe(195_827_899_433_152_372_659n);
    // Stem, three stages of 3^2 + 3^3 + 3^4, one of 3^4 + 3^5 + 3^6, six widths of three.
    expect(countSubnets(RESNET50)).toBe(2n * 117n ** 3n * 1053n * 3n ** 6n);
    expect(countSubnets(RESNET50)).toBe(2_458_914_796_962n);
  });

  it('equals the number of distinct arch ids found by listing every genotype', () => {
    const spaces = [
      tinySpace(),
      tinyResNet(),
      tinySpace({ kernelSizes: [3], expandRatios: [2, 3, 4] }),
      tinySpace({
        stages: [{ channels: 8, stride: 1, activation: 'relu', squeezeExcite: false, depths: [2, 3] }],
      }),
    ];
    for (const space of spaces) {
      const ids = new Set(everyArch(space, [12]).map((arch) => archId(space, arch)));
      expect(BigInt(ids.size)).toBe(countSubnets(space));
    }
  });
});
