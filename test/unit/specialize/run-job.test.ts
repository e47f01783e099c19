import { describe, expect, it } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import type { Claim, JobStore } from '../../../src/specialize/ports.js';
import { type Engine, EngineLostError, runJob } from '../../../src/specialize/run-job.js';
import type { Outcome } from '../../../src/specialize/types.js';

const claim: Claim = {
  id: 'job',
  attempt: 1,
  createdAt: '2026-01-01T00:00:00Z',
  request: {
    supernetId: 's',
    hardwareId: 'h',
    constraints: {},
    objective: 'accuracy',
    seed: 1,
    search: { evaluations: 1 },
    verify: { latency: 'skip' },
    labels: {},
  },
};

/** An in-memory JobStore that notes what it is told. */
function makeJobs(over: Partial<JobStore> & { attempt?: number } = {}) {
  const told: string[] = [];
  const jobs: JobStore = {
    claim: async () => ({ ...claim, attempt: over.attempt ?? 1 }),
    heartbeat: async () => ({ lost: false, cancelRequested: false }),
    finish: async (_id, _attempt, outcome) => {
      told.push(outcome.status === 'failed' ? `failed ${outcome.problem.code}` : outcome.status);
      return true;
    },
    finishCanceled: async () => {
      told.push('canceled');
      return true;
    },
    release: async () => {
      told.push('released');
      return true;
    },
    sweep: async () => [],
    ...over,
  };
  return { jobs, told };
}

const log = { info: () => {}, warn: () => {}, error: () => {} };
const run = (jobs: JobStore, specialize: Engine['specialize'], engine: Partial<Engine> = {}) =>
  runJob(
    {
      jobs,
      engine: { specialize, silentMs: () => 0, restart: () => {}, ...engine },
      workerId: 'w',
      leaseMs: 1000,
      maxAttempts: 3,
      log,
      stopping: new AbortController().signal,
    },
    'job',
  );
const untilAborted: Engine['specialize'] = (_claim, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

describe('runJob', () => {
  it('leaves a job alone that another worker has', async () => {
    const { jobs, told } = makeJobs({ claim: async () => undefined });
    expect(await run(jobs, untilAborted)).toBe('notClaimed');
    expect(told).toEqual([]);
  });

  it('writes the outcome once', async () => {
    const { jobs, told } = makeJobs();
    const outcome: Outcome = {
      status: 'failed',
      problem: { type: '', title: '', status: 422, code: 'infeasible-constraints', detail: '' },
    };
    expect(await run(jobs, async () => outcome)).toBe('finished');
    expect(told).toEqual(['failed infeasible-constraints']);
  });

  it('reports the loss when the lease went to another before the end', async () => {
    const { jobs } = makeJobs({ finish: async () => false });
    const outcome: Outcome = {
      status: 'failed',
      problem: { type: '', title: '', status: 500, code: 'internal', detail: '' },
    };
    expect(await run(jobs, async () => outcome)).toBe('lost');
  });

  it('cancels when the row asks for it, in the middle of the work', async () => {
    const { jobs, told } = makeJobs({ heartbeat: async () => ({ lost: false, cancelRequested: true }) });
    expect(await run(jobs, untilAborted)).toBe('canceled');
    expect(told).toEqual(['canceled']);
  });

  it('stops and writes nothing when the heartbeat says that the lease is lost', async () => {
    const { jobs, told } = makeJobs({ heartbeat: async () => ({ lost: true, cancelRequested: false }) });
    expect(await run(jobs, untilAborted)).toBe('lost');
    expect(told).toEqual([]);
  });

  it('gives the job back when the engine ends, and fails it at the last attempt', async () => {
    const lost: Engine['specialize'] = async () => {
      throw new EngineLostError('gone');
    };
    const first = makeJobs();
    expect(await run(first.jobs, lost)).toBe('released');
    const last = makeJobs({ attempt: 3 });
    expect(await run(last.jobs, lost)).toBe('finished');
    expect(last.told).toEqual(['failed internal']);
  });

  it('restarts an engine that has been silent for longer than the lease', async () => {
    let restarts = 0;
    let end: (error: Error) => void = () => {};
    const { jobs, told } = makeJobs();
    const hung: Engine['specialize'] = () => new Promise((_resolve, reject) => (end = reject));
    const restart = (): void => {
      restarts++;
      end(new EngineLostError('was ended'));
    };
    expect(await run(jobs, hung, { silentMs: () => 1001, restart })).toBe('released');
    expect([restarts, told]).toEqual([1, ['released']]);
  });

  it('stores the problem of an expected error and leaks nothing of another', async () => {
    const expected = makeJobs();
    await run(expected.jobs, async () => {
      throw new BespokeError('no-latency-data', 'none');
    });
    expect(expected.told).toEqual(['failed no-latency-data']);
    const unexpected = makeJobs();
    await run(unexpected.jobs, async () => {
      throw new Error('secret');
    });
    expect(unexpected.told).toEqual(['failed internal']);
  });

  it('goes on when a heartbeat cannot be written', async () => {
    let beats = 0;
    let finish: (outcome: Outcome) => void = () => {};
    const outcome: Outcome = {
      status: 'failed',
      problem: { type: '', title: '', status: 500, code: 'internal', detail: '' },
    };
    const { jobs, told } = makeJobs({
      heartbeat: async () => {
        beats++;
        if (beats === 2) finish(outcome);
        throw new BespokeError('database-unavailable', 'away');
      },
    });
    expect(await run(jobs, () => new Promise((resolve) => (finish = resolve)))).toBe('finished');
    expect(told).toEqual(['failed internal']);
  });
});
