import { describe, expect, it } from 'vitest';
import { searchableResolutions } from '../../../src/specialize/feasible.js';
import { MBV3_W12 } from '../space/published-spaces.js';

const TABLES = [160, 176, 192, 208, 224];

describe('searchable resolutions', () => {
  it('are those that space, predictor and latency model share', () => {
    expect(searchableResolutions(MBV3_W12, [])).toEqual(MBV3_W12.resolutions);
    expect(searchableResolutions(MBV3_W12, [[112, 128, 176, 192, 224], TABLES])).toEqual([176, 192, 224]);
    expect(searchableResolutions(MBV3_W12, [TABLES], [208, 160])).toEqual([160, 208]);
  });

  it('name the nearest ones to one that is not among them', () => {
    expect(() => searchableResolutions(MBV3_W12, [TABLES], [164])).toThrow(
      '/resolutions: 164 cannot be searched in "ofa-mbv3-w1.2"; searchable are 160, 176, 192, 208, 224, nearest 160 and 176',
    );
    expect(() => searchableResolutions(MBV3_W12, [TABLES], [224, 256])).toThrow(/256 cannot .* nearest 224$/);
  });

  it('are refused as a whole where predictor and latency model share none', () => {
    expect(() => searchableResolutions(MBV3_W12, [[160, 176], [192]])).toThrow(
      'no resolution of "ofa-mbv3-w1.2" can be searched: accuracy predictor and latency model have none in common (160, 176 and those of 192)',
    );
  });
});
