import { describe, expect, it } from 'vitest';
import { FINISHED_STATUSES, move, TRANSITIONS } from '../../../src/store/transitions.js';

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
    expect(FINISHED_STATUSES).toEqual(['succeeded', 'failed', 'canceled']);
  });

  it('names both ends of a move; an illegal one does not compile', () => {
    expect(move('running', 'succeeded')).toEqual({ from: 'running', to: 'succeeded' });
    // @ts-expect-error nothing leaves a finished status
    move('succeeded', 'queued');
    // @ts-expect-error a waiting job cannot succeed
    move('queued', 'succeeded');
  });
});
