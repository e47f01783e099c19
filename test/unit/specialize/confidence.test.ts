import { describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import type { LatencyModel } from '../../../src/hardware/types.js';
import type { AccuracyPredictor } from '../../../src/predictors/predictor.js';
import { inRequestTerms, latencyFactorOf, latencyNote, limitBounds } from '../../../src/specialize/confidence.js';
import type { SpecializationRequest } from '../../../src/specialize/types.js';
import { makeRequest } from '../../integration/store-records.js';

const predictor: AccuracyPredictor = {
  spaceId: 's',
  resolutions: [8],
  score: async () => new Float32Array(),
  asObjective: () => ({ score: async () => new Float32Array() }),
  interval: (value) => ({ low: value, high: value }),
  shortfall: (confidence) => confidence / 100,
  release: async () => {},
};
const latency: LatencyModel = {
  profile: {
    hardware: {
      ...{ id: 'h', name: 'A phone', device: 'cpu', runtime: 'any', precision: 'fp32', threads: 1, batch: 1 },
      provenance: 'measured',
    },
    ...{ schema: 1, spaceId: 's', statistic: 'p50', method: 'made up', revision: '', table: {}, scale: 1, offsetMs: 0 },
    ...{ resolutions: [8], residuals: [-0.1, 0, 0.1, 0.2] },
  },
  predict: () => new Float64Array(),
};

const asked = (constraints: SpecializationRequest['constraints'], confidence?: number): SpecializationRequest =>
  makeRequest({ constraints, search: { evaluations: 1000, ...(confidence === undefined ? {} : { confidence }) } });

describe('what limits are held against', () => {
  it('is the prediction itself where no confidence was asked for', () => {
    expect(limitBounds(asked({ maxLatencyMs: 1, minTop1: 0.9 }), { predictor, latency })).toEqual({
      latencyFactor: 1,
      top1Shortfall: 0,
    });
  });

  it('is the one-sided bound of each figure that is limited, and of no other', () => {
    const models = { predictor, latency };
    expect(limitBounds(asked({ maxLatencyMs: 1 }, 0.8), models)).toEqual({ latencyFactor: 1.2, top1Shortfall: 0 });
    expect(limitBounds(asked({ minTop1: 0.9 }, 0.8), models)).toEqual({ latencyFactor: 1, top1Shortfall: 0.008 });
    expect(latencyFactorOf(asked({ maxMacs: 5 }, 0.8), latency)).toBe(1);
    expect(() => limitBounds(asked({ maxLatencyMs: 1 }, 0.9), models)).toThrow(/4 held-out networks.*0\.8000.*0\.9/);
  });

  it('is said in the terms of the request where no architecture is accurate enough', () => {
    const extras = { binding: ['minTop1'], nearestFeasible: { minTop1: 0.93 } };
    const found = new BespokeError('infeasible-constraints', 'No architecture reaches minTop1 0.948.', extras);
    const told = inRequestTerms(found, asked({ minTop1: 0.94 }, 0.8), 0.008);
    expect(told).toMatchObject({ code: 'infeasible-constraints', extras: { binding: ['minTop1'] } });
    expect((told as BespokeError).extras.nearestFeasible?.minTop1).toBeCloseTo(0.922, 12);
    expect((told as BespokeError).message).toMatch(
      /minTop1 0\.94 at confidence 0\.8; the best found is predicted at 0\.93/,
    );
    expect(inRequestTerms(found, asked({ minTop1: 0.94 }), 0)).toBe(found);
    const other = new BespokeError('internal', 'x');
    expect(inRequestTerms(other, asked({ minTop1: 0.94 }, 0.8), 0.008)).toBe(other);
  });

  it('is named beside latencies in a refusal, and nowhere else', () => {
    const extras = { binding: ['maxLatencyMs'], nearestFeasible: { maxLatencyMs: 2 } };
    const found = new BespokeError('infeasible-constraints', 'No architecture meets maxLatencyMs 1.', extras);
    expect(inRequestTerms(found, asked({ maxLatencyMs: 1 }, 0.8), 0)).toMatchObject({
      message: 'No architecture meets maxLatencyMs 1. Latencies are upper bounds at confidence 0.8.',
      extras,
    });
    expect(inRequestTerms(found, asked({ maxLatencyMs: 1 }), 0)).toBe(found);
    expect(latencyNote(asked({ maxMacs: 1 }, 0.8))).toBe('');
  });
});
