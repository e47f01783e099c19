import { describe, expect, it } from 'vitest';
import { learningRate } from '../../../src/train/schedule.js';

const schedule = { peak: 0.4, final: 0.1, warmupSteps: 3, totalSteps: 13 };

describe('learningRate', () => {
  it('rises linearly to the peak, then falls as a half cosine', () => {
    const at = (step: number): number => learningRate(schedule, step);
    [0.1, 0.2, 0.3, 0.4].forEach((lr, step) => {
      expect(at(step)).toBeCloseTo(lr, 12);
    });
    expect(at(8)).toBeCloseTo(0.25, 12); // the middle of the cosine
    expect(at(13)).toBeCloseTo(0.1, 12);
    for (let step = 4; step < 13; step++) expect(at(step)).toBeLessThan(at(step - 1));
  });

  it('does without warm-up, and with nothing but warm-up', () => {
    expect(learningRate({ ...schedule, warmupSteps: 0 }, 0)).toBeCloseTo(0.4, 12);
    expect(learningRate({ ...schedule, warmupSteps: 13 }, 12)).toBeLessThan(0.4);
  });
});
