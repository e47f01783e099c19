import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CHECKPOINT_FILE,
  type Checkpoint,
  loadCheckpoint,
  PREVIOUS_CHECKPOINT_FILE,
  saveCheckpoint,
  setAsideDamaged,
} from '../../../src/train/checkpoint.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bespoke-checkpoint-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const identity = {
  ...{ spaceSha256: 'a', netSha256: 'none', recipeSha256: 'b', dataSha256: 'c', images: 'a few' },
  ...{ lowering: 'standard', seed: 3, workers: 2 },
};
const checkpointAt = (step: number): Checkpoint => ({
  identity,
  step,
  elapsedMs: step * 10.5,
  weights: Float32Array.from([1 / 3, -0, step]),
  velocity: Float32Array.from([1e-30, 2, 3]),
  secondMoment: Float32Array.from([4, 1e-38, 5]),
  average: new Float32Array(0),
  teacher: new Float32Array(3),
});

describe('checkpoints', () => {
  it('come back bit for bit', () => {
    saveCheckpoint(dir, checkpointAt(7));
    expect(loadCheckpoint(dir)?.checkpoint).toEqual(checkpointAt(7));
    expect(existsSync(join(dir, `${CHECKPOINT_FILE}.tmp`))).toBe(false);
  });

  it('are absent from a new folder', () => {
    expect(loadCheckpoint(join(dir, 'nothing'))).toBeUndefined();
  });

  it.each(['truncated', 'a flipped bit', 'missing after a crash between two renames'])(
    'fall back to the one before: %s',
    (how) => {
      saveCheckpoint(dir, checkpointAt(7));
      saveCheckpoint(dir, checkpointAt(8));
      const path = join(dir, CHECKPOINT_FILE);
      if (how === 'truncated') truncateSync(path, 200);
      else if (how === 'a flipped bit') {
        const bytes = readFileSync(path);
        bytes[bytes.length - 80] = bytes[bytes.length - 80]! ^ 4;
        writeFileSync(path, bytes);
      } else renameSync(path, `${path}.tmp`);
      const found = loadCheckpoint(dir);
      expect(found?.checkpoint.step).toBe(7);
      expect(found?.path).toBe(join(dir, PREVIOUS_CHECKPOINT_FILE));
      expect(found?.warnings).toHaveLength(how.startsWith('missing') ? 0 : 1);
    },
  );

  it('are refused when none is whole', () => {
    saveCheckpoint(dir, checkpointAt(7));
    truncateSync(join(dir, CHECKPOINT_FILE), 30);
    expect(() => loadCheckpoint(dir)).toThrow(/no whole checkpoint.*damaged.*put back a copy/);
  });

  it('keep the whole one before when a damaged one was set aside and the next is saved', () => {
    saveCheckpoint(dir, checkpointAt(7));
    saveCheckpoint(dir, checkpointAt(8));
    truncateSync(join(dir, CHECKPOINT_FILE), 200);
    setAsideDamaged(dir);
    saveCheckpoint(dir, checkpointAt(9));
    expect(loadCheckpoint(dir)?.checkpoint.step).toBe(9);
    rmSync(join(dir, CHECKPOINT_FILE)); // as after a crash in the middle of the next save
    expect(loadCheckpoint(dir)?.checkpoint.step).toBe(7);
  });

  // Linux's device that is always full: an error as on a full disk, without filling one.
  it.skipIf(!existsSync('/dev/full'))('leave the old one whole when the disk is full, and say what to do', () => {
    saveCheckpoint(dir, checkpointAt(7));
    symlinkSync('/dev/full', join(dir, `${CHECKPOINT_FILE}.tmp`));
    expect(() => saveCheckpoint(dir, checkpointAt(8))).toThrow(/could not be written: its disk is full.*free space/);
    expect(loadCheckpoint(dir)?.checkpoint.step).toBe(7);
  });
});
