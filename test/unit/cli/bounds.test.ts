import { describe, expect, it } from 'vitest';
import { boundsLines } from '../../../src/cli/bounds.js';

describe('the bounds that limits were held against', () => {
  it('are named with their confidence, each where its figure is limited', () => {
    const both = { predictedLatencyUpperMs: 0.0883, predictedTop1Lower: 0.9361 };
    expect(boundsLines(0.9, { maxLatencyMs: 0.1, minTop1: 0.93 }, both)).toEqual([
      'predicted with 90 % confidence, which is what the limits are held against: latency at most 0.088 ms, top-1 at least 93.61 %',
    ]);
    expect(boundsLines(0.975, { minTop1: 0.93 }, { predictedTop1Lower: 0.9361 })).toEqual([
      'predicted with 97.5 % confidence, which is what the limits are held against: top-1 at least 93.61 %',
    ]);
  });

  it('are not spoken of without a confidence, and said to change nothing where neither figure is limited', () => {
    expect(boundsLines(undefined, {}, {})).toEqual([]);
    expect(boundsLines(0.9, {}, {})).toEqual([
      'confidence 90 %: neither latency nor top-1 is limited, so it changes nothing',
    ]);
  });
});
