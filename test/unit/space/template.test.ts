import { describe, expect, it } from 'vitest';
import { maxArch, minArch } from '../../../src/space/arch.js';
import { lower } from '../../../src/space/lower.js';
import { parseSpace } from '../../../src/space/parse-space.js';
import { TEMPLATE_SIZES, templateSpace } from '../../../src/space/template.js';

const sizes = Array.from(
  { length: TEMPLATE_SIZES.most - TEMPLATE_SIZES.least + 1 },
  (_, i) => TEMPLATE_SIZES.least + i,
);

describe('templateSpace', () => {
  it('at 28 pixels, grey, is the space of the first supernet (docs/adr/0007-the-bundled-search-space.md)', () => {
    const { stages, ...rest } = templateSpace({ classes: 10, channels: 1, size: 28 });
    expect(rest).toEqual({
      family: 'mobilenet-v3',
      id: 'grey28-10',
      inputChannels: 1,
      classes: 10,
      resolutions: [20, 24, 28],
      kernelSizes: [3, 5, 7],
      expandRatios: [3, 4, 6],
      stem: { channels: 16, kernel: 3, stride: 1, activation: 'relu' },
      featureMix: { channels: 128, activation: 'hSwish', bias: true },
      kernelTransform: true,
      bnEpsilon: 1e-5,
    });
    expect(stages).toEqual([
      { channels: 16, stride: 2, activation: 'relu', squeezeExcite: false, depths: [1, 2] },
      { channels: 32, stride: 2, activation: 'relu', squeezeExcite: true, depths: [1, 2, 3, 4] },
      { channels: 48, stride: 1, activation: 'hSwish', squeezeExcite: true, depths: [1, 2, 3, 4] },
    ]);
  });

  it('is a valid space at every size, whose last maps are small and not too small', () => {
    for (const size of sizes) {
      const space = templateSpace({ classes: 7, channels: 3, size });
      expect(parseSpace(JSON.parse(JSON.stringify(space)), 'template')).toEqual(space);
      expect(Math.max(...space.resolutions)).toBe(size);
      for (const arch of [maxArch(space), minArch(space)]) {
        const last = lower(space, arch)
          .filter(({ op }) => op === 'depthwise')
          .at(-1);
        expect(last?.outSize, `${size} pixels`).toBeLessThanOrEqual(8);
        expect(last?.outSize, `${size} pixels`).toBeGreaterThanOrEqual(3);
      }
    }
  });

  it('has channels that the fast training operators take', () => {
    for (const [size, classes] of [
      [16, 2],
      [64, 100],
      [224, 256],
      [512, 200],
    ] as const) {
      const space = templateSpace({ classes, channels: 3, size });
      const { stem, stages } = space;
      expect([stem, ...stages].filter(({ channels }) => channels % 16 !== 0)).toEqual([]);
    }
  });

  it('is named after what it is for, unless told', () => {
    expect(templateSpace({ classes: 5, channels: 3, size: 64 }).id).toBe('rgb64-5');
    expect(templateSpace({ classes: 5, channels: 1, size: 64, id: 'mine' }).id).toBe('mine');
  });
});
