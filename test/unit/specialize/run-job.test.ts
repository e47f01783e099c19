import { describe, expect, it, vi } from 'vitest';
import { BespokeError } from '../../../src/common/errors.js';
import type { JobStore } from '../../../src/specialize/ports.js';
import { type Engine, EngineLostError, type RunJobDeps, runJob } from '../../../src/specialize/run-job.js';
import type { Outcome } from '../../../src/specialize/types.js';
import { makeModel, makeRequest, makeSucceeded } from '../../integration/store-records.js';

const CLAIM = { id: 'a', attempt: 2, request: makeRequest(), createdAt: '2026-01-01T00:00:00.000Z' };
const SUCCEEDED = makeSucceeded(makeModel(10));
const AWAY = new BespokeError('database-unavailable', 'The database does not answer.');
const SOON = { timeout: 10_000, interval: 5 };

/** A job store that remembers what was written; each test makes one method misbehave. */
function makeJobs(changes: Partial<JobStore> = {}) {
  const written: string[] = [];
  const outcomes: Outcome[] = [];
  const jobs: JobStore = {
    claim: async () => CLAIM,
    heartbeat: async () => ({ lost: false, cancelRequested: false }),
    cancelRequested: async () => false,
    finishStored: async () => false,
    finish: async (_id, _attempt, outcome) => {
      written.push(outcome.status);
      outcomes.push(outcome);
      return true;
    },
    finishCanceled: async () => {
      written.push('canceled');
      return true;
    },
    release: async () => {
      written.push('released');
      return true;
    },
    sweep: async () => [],
    ...changes,
  };
  return { jobs, written, outcomes };
}

/** An engine that works until it is stopped, or gives its answer at once. */
function makeEngine(answer?: Outcome | Error): Engine {
  return {
    specialize: (_claim, { signal }) =>
      new Promise((resolve, reject) => {
        if (answer instanceof Error) reject(answer);
        else if (answer !== undefined) resolve(answer);
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
    silentMs: () => 0,
    restart: () => {},
  };
}

function makeDeps(jobs: JobStore, rest: Partial<RunJobDeps> = {}): RunJobDeps {
  return {
    jobs,
    engine: makeEngine(SUCCEEDED),
    workerId: 'w',
    supernetIds: ['fashion-mnist'],
    leaseMs: 5000,
    maxAttempts: 3,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    stopping: new AbortController().signal,
    ...rest,
  };
}

describe('an equal request that was answered while the job waited', () => {
  it('ends the job without the engine', async () => {
    const asked: unknown[] = [];
    const { jobs, written } = makeJobs({
      finishStored: async (...what) => {
        asked.push(what);
        return true;
      },
    });
    const engine = { ...makeEngine(), specialize: () => Promise.reject(new Error('nothing is to be searched for')) };
    expect(await runJob(makeDeps(jobs, { engine }), 'a')).toBe('finished');
    expect(asked).toEqual([['a', CLAIM.attempt]]);
    expect(written).toEqual([]);
  });
});

describe('a job whose work is done', () => {
  it('waits for a database that is away, and is not failed by it', async () => {
    let tries = 0;
    const { jobs, written } = makeJobs();
    const flaky: JobStore = {
      ...jobs,
      finish: async (...finish) => {
        if (++tries <= 2) throw AWAY;
        return jobs.finish(...finish);
      },
    };
    expect(await runJob(makeDeps(flaky), 'a')).toBe('finished');
    expect(written).toEqual(['succeeded']);
  });

  it('is left to the sweeper when the database stays away for longer than the lease', async () => {
    const finish = vi.fn(async () => {
      throw AWAY;
    });
    const { jobs, written } = makeJobs({ finish });
    await expect(runJob(makeDeps(jobs, { leaseMs: 300 }), 'a')).rejects.toBe(AWAY);
    expect(finish.mock.calls.length).toBeGreaterThan(1);
    expect(written).toEqual([]);
  });

  it('fails with the reason when its result cannot be stored', async () => {
    const { jobs, outcomes } = makeJobs();
    const full = new BespokeError('storage-failed', 'The database could not write: its disk is full or fails.');
    const picky: JobStore = {
      ...jobs,
      finish: async (id, attempt, outcome) => {
        if (outcome.status === 'succeeded') throw full;
        return jobs.finish(id, attempt, outcome);
      },
    };
    expect(await runJob(makeDeps(picky), 'a')).toBe('finished');
    expect(outcomes).toMatchObject([{ status: 'failed', problem: { code: 'storage-failed', detail: full.message } }]);
  });
});

describe('the end of a job', () => {
  it('is lost when the lease went to another before the outcome was written', async () => {
    const { jobs } = makeJobs({ finish: async () => false });
    expect(await runJob(makeDeps(jobs), 'a')).toBe('lost');
  });

  it('is the problem of an expected error, and leaks nothing of another', async () => {
    const expected = makeJobs();
    const none = new BespokeError('no-latency-data', 'The hardware type has none.');
    await runJob(makeDeps(expected.jobs, { engine: makeEngine(none) }), 'a');
    expect(expected.outcomes).toMatchObject([{ problem: { code: 'no-latency-data', detail: none.message } }]);
    const unexpected = makeJobs();
    await runJob(makeDeps(unexpected.jobs, { engine: makeEngine(new Error('secret')) }), 'a');
    expect(unexpected.outcomes).toMatchObject([{ status: 'failed', problem: { code: 'internal' } }]);
    expect(JSON.stringify(unexpected.outcomes)).not.toContain('secret');
  });
});

describe('a job in the middle of its work', () => {
  it('is handed back when the worker stops, also one that is stopping already', async () => {
    const stopping = new AbortController();
    const { jobs, written } = makeJobs();
    const running = runJob(makeDeps(jobs, { engine: makeEngine(), stopping: stopping.signal }), 'a');
    stopping.abort();
    expect(await running).toBe('released');
    expect(await runJob(makeDeps(jobs, { engine: makeEngine(), stopping: stopping.signal }), 'a')).toBe('released');
    expect(written).toEqual(['released', 'released']);
  });

  it('ends without a word when its lease went to another', async () => {
    const { jobs, written } = makeJobs({ heartbeat: async () => ({ lost: true, cancelRequested: false }) });
    expect(await runJob(makeDeps(jobs, { engine: makeEngine() }), 'a')).toBe('lost');
    expect(written).toEqual([]);
  });

  it('looks for a cancel several times between two heartbeats, and survives a look that fails', async () => {
    let looks = 0;
    let beats = 0;
    const { jobs, written } = makeJobs({
      heartbeat: async () => {
        beats++;
        return { lost: false, cancelRequested: false };
      },
      cancelRequested: async () => {
        if (++looks === 1) throw AWAY;
        return looks === 3;
      },
    });
    expect(await runJob(makeDeps(jobs, { engine: makeEngine() }), 'a')).toBe('canceled');
    expect([looks, beats, written]).toEqual([3, 0, ['canceled']]);
  });

  it('is canceled when that is asked for', async () => {
    const { jobs, written } = makeJobs({ heartbeat: async () => ({ lost: false, cancelRequested: true }) });
    expect(await runJob(makeDeps(jobs, { engine: makeEngine() }), 'a')).toBe('canceled');
    expect(written).toEqual(['canceled']);
  });

  it('outlives a heartbeat that cannot be written', async () => {
    const heartbeat = vi.fn(async () => {
      throw AWAY;
    });
    const { jobs, written } = makeJobs({ heartbeat });
    const stopping = new AbortController();
    const running = runJob(makeDeps(jobs, { engine: makeEngine(), stopping: stopping.signal }), 'a');
    await vi.waitFor(() => expect(heartbeat.mock.calls.length).toBeGreaterThan(1), SOON);
    expect(written).toEqual([]);
    stopping.abort();
    await running;
  });

  it.each([
    [2, 'released', ['released']],
    [3, 'finished', ['failed']],
  ] as const)('in attempt %i of 3, when the engine ends, is %s', async (attempt, end, expected) => {
    const { jobs, written } = makeJobs({ claim: async () => ({ ...CLAIM, attempt }) });
    const engine = makeEngine(new EngineLostError('the numeric process ended (SIGKILL)'));
    expect(await runJob(makeDeps(jobs, { engine }), 'a')).toBe(end);
    expect(written).toEqual(expected);
  });

  it('takes the engine for hung when it says nothing for longer than the lease, and replaces it', async () => {
    const { jobs, written } = makeJobs();
    let fail: (error: Error) => void = () => {};
    const hung: Engine = {
      specialize: () =>
        new Promise((_resolve, reject) => {
          fail = reject;
        }),
      silentMs: () => 5001,
      restart: () => fail(new EngineLostError('the numeric process was ended')),
    };
    expect(await runJob(makeDeps(jobs, { engine: hung }), 'a')).toBe('released');
    expect(written).toEqual(['released']);
  });

  it('is not touched when another worker has it, or when the engine lacks its supernet', async () => {
    const claim = vi.fn(async () => undefined);
    const { jobs, written } = makeJobs({ claim });
    expect(await runJob(makeDeps(jobs, { supernetIds: ['one', 'two'] }), 'a')).toBe('notClaimed');
    expect(claim).toHaveBeenCalledWith('a', 'w', 5000, ['one', 'two']);
    expect(written).toEqual([]);
  });
});
