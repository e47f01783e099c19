import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, fingerprintDifferences, matchesFingerprint } from '../../../src/runtime/fingerprint.js';
import { withMeasurementLock } from '../../../src/runtime/measurement-lock.js';

describe('the measurement lock', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'lock-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const lockFile = (): string => join(dir, 'measurement.lock');

  it('lets one holder in at a time, in order, and leaves nothing behind', async () => {
    let inside = 0;
    const order: number[] = [];
    const work = async (i: number): Promise<number> => {
      expect(++inside).toBe(1);
      expect(existsSync(lockFile())).toBe(true);
      await new Promise((resolve) => setImmediate(resolve));
      order.push(i);
      inside--;
      return i;
    };
    const results = await Promise.all([0, 1, 2].map((i) => withMeasurementLock(dir, () => work(i))));
    expect(results).toEqual([0, 1, 2]);
    expect(order).toEqual([0, 1, 2]);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is let go when the work fails', async () => {
    await expect(withMeasurementLock(dir, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await withMeasurementLock(dir, async () => 'next')).toBe('next');
  });

  it('takes over the lock of a process that is gone', async () => {
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    writeFileSync(lockFile(), `${gone} token`);
    expect(await withMeasurementLock(dir, async () => 'mine')).toBe('mine');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('takes over a lock that an ended process with the same pid left', async () => {
    writeFileSync(lockFile(), `${process.pid} token`);
    expect(await withMeasurementLock(dir, async () => 'mine', { maxWaitMs: 1000 })).toBe('mine');
    expect(readdirSync(dir)).toEqual([]);
  });

  it('respects a process that lives', async () => {
    writeFileSync(lockFile(), `${process.ppid} token`);
    const blocked = withMeasurementLock(dir, async () => 'mine', { maxWaitMs: 0 });
    await expect(blocked).rejects.toThrow(/measuring for too long.*remove/);
    await expect(withMeasurementLock(dir, async () => 1, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect(existsSync(lockFile())).toBe(true);
  });

  it('makes its folder', async () => {
    expect(await withMeasurementLock(join(dir, 'a', 'b'), async () => 1)).toBe(1);
  });
});

describe('the fingerprint', () => {
  it('names what differs', () => {
    const here = fingerprint(1);
    expect(matchesFingerprint(here, fingerprint(1))).toBe(true);
    expect(fingerprintDifferences(here, fingerprint(2))).toEqual(['threads']);
    expect(fingerprintDifferences({ ...here, cpu: 'another' }, here)).toEqual(['cpu']);
    const { node: _, ...older } = here;
    expect(matchesFingerprint(older, here)).toBe(false);
    expect(here.onnxruntime).toMatch(/^\d+\.\d+/);
  });
});
