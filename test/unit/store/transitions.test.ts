import { describe, expect, it } from 'vitest';
import { STATUSES } from '../../../src/specialize/types.js';
import { FINISHED_STATUSES, isFinished, TRANSITIONS } from '../../../src/store/transitions.js';

describe('the life cycle', () => {
  it('is the one of the design: queued, running, one of three ends; back to queued when a lease is lost', () => {
    expect(TRANSITIONS).toEqual({
      queued: ['running', 'canceled'],
      running: ['queued', 'succeeded', 'failed', 'canceled'],
      succeeded: [],
      failed: [],
      canceled: [],
    });
  });

  it('counts as finished exactly what nothing leaves', () => {
    expect(STATUSES.filter((status) => isFinished(status))).toEqual(FINISHED_STATUSES);
  });
});
