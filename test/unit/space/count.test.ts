import { describe, expect, it } from 'vitest';
import { archId } from '../../../src/space/arch.js';
import { countSubnets } from '../../../src/space/count.js';
import { everyArch } from './every-arch.js';
import { MBV3_W10, MBV3_W12, PROXYLESS } from './published-spaces.js';
import { tinySpace } from './tiny-space.js';

describe('countSubnets', () => {
  it('gives the exact size of the published space', () => {
    // Computed independently from the definition, per stage 9^2 + 9^3 + 9^4, to the power of five stages.
    expect(countSubnets(MBV3_W10)).toBe(21_758_655_492_572_485_851n);
    expect(countSubnets(MBV3_W12)).toBe(21_758_655_492_572_485_851n);
    // One stage more, of a single block.
    expect(countSubnets(PROXYLESS)).toBe(195_827_899_433_152_372_659n);
  });

  it('equals the number of distinct arch ids found by listing every genotype', () => {
    const spaces = [
      tinySpace(),
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
